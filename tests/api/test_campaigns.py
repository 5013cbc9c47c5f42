"""Campaigns over the API: drafts are written, and nothing is sent."""

from typing import Any

import pytest

from samizdat.campaigns.models import Campaign
from tests.api.conftest import Program

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer(program: Program) -> Program:
    return program.bound(scopes=("campaigns:read", "campaigns:write"))


def _draft(writer: Program, **more: Any) -> tuple[int, Any]:
    body = {
        "list": writer.lists["Letter"].pk,
        "subject": "River",
        "body": "Hello *all*",
        "from_email": "a@lantern.example",
    }
    return writer.ask("POST", "/campaigns", body | more)


def test_a_draft_is_created_read_and_changed(writer: Program) -> None:
    status, draft = _draft(writer, preheader="What it took")
    assert (status, draft["state"], draft["version"], draft["preheader"]) == (201, "draft", 1, "What it took")
    status, changed = writer.ask("PATCH", f"/campaigns/{draft['id']}", {"version": 1, "subject": "The river"})
    assert (status, changed["subject"], changed["body"], changed["version"]) == (200, "The river", "Hello *all*", 2)
    assert writer.ask("GET", f"/campaigns/{draft['id']}") == (200, changed)
    status, results = writer.ask("GET", f"/campaigns/{draft['id']}/results")
    assert (status, results["recipients"], results["accepted"]) == (200, 0, 0)


def test_whoever_did_not_read_the_newest_version_overwrites_nothing(writer: Program) -> None:
    number = _draft(writer)[1]["id"]
    assert writer.ask("PATCH", f"/campaigns/{number}", {"version": 1, "subject": "First"})[0] == 200
    status, problem = writer.ask("PATCH", f"/campaigns/{number}", {"version": 1, "subject": "Second"})
    assert (status, problem["code"]) == (409, "overtaken")
    assert writer.ask("GET", f"/campaigns/{number}")[1]["subject"] == "First"


def test_campaigns_are_listed_the_newest_first_by_pages(writer: Program) -> None:
    numbers = [_draft(writer, subject=f"No. {number}")[1]["id"] for number in range(5)]
    first = writer.ask("GET", "/campaigns?count=3")[1]
    rest = writer.ask("GET", f"/campaigns?count=3&cursor={first['next']}")[1]
    assert [item["id"] for item in (*first["items"], *rest["items"])] == numbers[::-1]
    assert rest["next"] is None
    assert writer.ask("GET", "/campaigns?state=finished")[1]["items"] == []
    appeals = writer.bound(writer.lists["Appeals"], scopes=("campaigns:read",))
    assert appeals.ask("GET", "/campaigns") == (200, {"items": [], "next": None})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"from_email": ""}, "no_sender"),
        ({"format": "word"}, "invalid"),
        ({"subject": ""}, "invalid"),
        ({"list": 4711}, "no_such_list"),
    ],
)
def test_a_draft_that_cannot_be_so_is_refused(writer: Program, change: dict[str, Any], code: str) -> None:
    assert _draft(writer, **change)[1]["code"] == code
    assert not Campaign.objects.exists()


def test_templates_and_the_report_are_read(writer: Program, bell: Program) -> None:
    from samizdat.campaigns.templates import import_template
    from tests.conftest import NOW

    page = b"<table><tr><td mc:edit='body'>Body *|FNAME|*</td></tr></table>"
    import_template.take_in(writer.organization, "Old one", page, by=None, now=NOW)
    assert [item["name"] for item in writer.ask("GET", "/templates")[1]["items"]] == ["Old one"]
    assert bell.bound(scopes=("campaigns:read",)).ask("GET", "/templates")[1] == {"items": []}
    status, report = writer.ask("GET", "/reports?days=90")
    assert (status, report["total"]["accepted"], report["by"]["route"]) == (200, {"count": 0, "few": False}, [])
    assert writer.ask("GET", "/reports?days=4")[0] == 422
    bound = writer.bound(writer.lists["Letter"], scopes=("campaigns:read",))
    assert bound.ask("GET", "/reports")[1]["code"] == "key_bound"
