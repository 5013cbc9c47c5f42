"""Templates over the API: taken in by the checks of the app, read, renamed and deleted."""

from base64 import b64decode, b64encode
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from samizdat.campaigns.models import Template
from tests.api.conftest import Program
from tests.api.test_matrix import PNG

pytestmark = pytest.mark.django_db

PAGE = '<html><body><h1>Northern Lantern</h1><div mc:edit="main"><p>Dear *|FNAME|*,</p></div>%s</body></html>'


@pytest.fixture
def writer(program: Program) -> Program:
    return program.bound(scopes=("campaigns:read", "campaigns:write"))


def _added(writer: Program, **more: Any) -> tuple[int, Any]:
    return writer.ask("POST", "/templates", {"name": "Winter", "html": PAGE % ""} | more)


def test_a_page_becomes_a_template_that_is_read_renamed_and_deleted(writer: Program) -> None:
    status, added = _added(writer)
    assert (status, [tag["tag"] for tag in added["tags"]]) == (201, ["*|FNAME|*"])
    path = f"/templates/{added['id']}"
    shown = writer.ask("GET", path)[1]
    assert shown["name"] == "Winter" and "Northern Lantern" in shown["html"]
    assert writer.ask("PATCH", path, {"name": "Spring"})[1]["name"] == "Spring"
    assert writer.ask("GET", "/templates")[1]["items"] == [{"id": added["id"], "name": "Spring"}]
    assert writer.ask("DELETE", path)[0] == 204
    assert writer.ask("GET", path)[1]["code"] == "no_such_template"


def test_a_zip_brings_its_images(writer: Program) -> None:
    file = BytesIO()
    with ZipFile(file, "w") as packed:
        packed.writestr("index.html", PAGE % '<img src="river.png" alt="River">')
        packed.writestr("river.png", b64decode(PNG))
    status, added = _added(writer, html=None, zip=b64encode(file.getvalue()).decode())
    assert (status, added["images"]) == (201, 1)
    assert [each["name"] for each in writer.ask("GET", "/media")[1]["items"]] == ["river"]


def test_a_campaign_becomes_a_template(writer: Program) -> None:
    draft = {"list": writer.lists["Letter"].pk, "subject": "River", "body": "Hello", "from_email": "a@lantern.example"}
    number = writer.ask("POST", "/campaigns", draft)[1]["id"]
    added = _added(writer, html=None, campaign=number)[1]
    shown = writer.ask("GET", f"/templates/{added['id']}")[1]
    assert (shown["body"], shown["format"], shown["html"]) == ("Hello", "markdown", "")
    bound = writer.bound(writer.lists["Appeals"], scopes=("campaigns:write",))
    assert _added(bound, html=None, campaign=number)[1]["code"] == "no_such_campaign"


@pytest.mark.parametrize(
    "body", [{"html": None}, {"zip": "UEsDBA=="}, {"html": None, "zip": "not base64"}, {"html": None, "zip": "AAAA"}]
)
def test_what_is_no_template_is_refused_with_a_sentence(writer: Program, body: dict[str, Any]) -> None:
    status, problem = _added(writer, **body)
    assert status == 422 and problem["detail"]
    assert not Template.objects.exists()


def test_a_key_that_is_bound_to_a_list_changes_nothing_of_others(writer: Program) -> None:
    number = _added(writer)[1]["id"]
    bound = writer.bound(writer.lists["Letter"], scopes=("campaigns:read", "campaigns:write"))
    assert bound.ask("GET", f"/templates/{number}")[0] == 200
    assert bound.ask("PATCH", f"/templates/{number}", {"name": "Mine"})[1]["code"] == "key_bound"
    assert bound.ask("DELETE", f"/templates/{number}")[1]["code"] == "key_bound"
