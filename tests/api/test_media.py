"""Images over the API: stored by the checks of the app, described, and deleted."""

from base64 import b64encode
from typing import Any

import pytest

from samizdat.campaigns.models import Campaign, Picture
from tests.api.conftest import Program
from tests.api.test_matrix import PNG

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer(program: Program) -> Program:
    return program.bound(scopes=("campaigns:read", "campaigns:write"))


def _uploaded(writer: Program, **more: Any) -> tuple[int, Any]:
    return writer.ask("POST", "/media", {"data": PNG, "name": "River", "alt": "A river in flood"} | more)


def test_an_image_is_uploaded_described_and_deleted(writer: Program) -> None:
    status, image = _uploaded(writer)
    assert (status, image["name"], image["alt"], image["width"], image["height"]) == (
        201,
        "River",
        "A river in flood",
        1,
        1,
    )
    assert image["url"].endswith(f"/m/{image['slug']}.{image['kind']}")
    path = f"/media/{image['id']}"
    assert writer.ask("PATCH", path, {"decoration": True})[1]["alt"] == ""
    assert writer.ask("GET", path)[1]["name"] == "River"
    assert writer.ask("DELETE", path)[0] == 204
    assert writer.ask("GET", path)[1]["code"] == "no_such_image"


def test_images_are_listed_by_pages_and_by_words(writer: Program) -> None:
    numbers = [_uploaded(writer, name=f"No. {number}")[1]["id"] for number in range(3)]
    first = writer.ask("GET", "/media?count=2")[1]
    rest = writer.ask("GET", f"/media?count=2&cursor={first['next']}")[1]
    assert [each["id"] for each in (*first["items"], *rest["items"])] == numbers[::-1]
    assert rest["next"] is None
    assert [each["id"] for each in writer.ask("GET", "/media?words=no.%201")[1]["items"]] == [numbers[1]]


@pytest.mark.parametrize("data", ["!", b64encode(b"GIF89a").decode(), b64encode(b"<svg/>").decode()])
def test_what_is_no_image_is_refused(writer: Program, data: str) -> None:
    status, problem = _uploaded(writer, data=data)
    assert status == 422 and problem["detail"]
    assert not Picture.objects.exists()


def test_what_a_sent_campaign_shows_is_deleted_only_where_that_is_meant(writer: Program) -> None:
    image = _uploaded(writer)[1]
    body = f"![A river]({image['url']})"
    draft = {"list": writer.lists["Letter"].pk, "subject": "River", "body": body, "from_email": "a@lantern.example"}
    writer.ask("POST", "/campaigns", draft)
    Campaign.objects.update(state="paused")
    assert writer.ask("DELETE", f"/media/{image['id']}")[1]["code"] == "picture_shown"
    assert writer.ask("DELETE", f"/media/{image['id']}?also_sent=true")[0] == 204


def test_an_upload_that_comes_twice_is_stored_once(writer: Program) -> None:
    body = {"data": PNG}
    first = writer.ask("POST", "/media", body, **{"Idempotency-Key": "one"})
    assert writer.ask("POST", "/media", body, **{"Idempotency-Key": "one"}) == first
    assert Picture.objects.count() == 1
