"""Lists and segments over the API: created and changed by the rules of the app, and counted for whoever may read."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.models import List, Segment
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


@pytest.fixture
def editor(program: Program) -> Program:
    return program.bound(scopes=("audience:write", "subscribers:read"))


def _people(program: Program, *names: str, tags: tuple[str, ...] = ()) -> None:
    for name in names:
        audience.add_subscriber(
            program.organization,
            f"{name}@reader.example",
            program.lists["Letter"],
            consent="Yes.",
            tags=tags,
            now=NOW,
        )


def test_a_list_is_created_renamed_archived_and_restored(editor: Program) -> None:
    status, made = editor.ask("POST", "/lists", {"name": "Riga"})
    assert (status, made["name"], made["archived"], made["totals"]["subscribed"]) == (201, "Riga", None, 0)
    path = f"/lists/{made['id']}"
    assert editor.ask("PATCH", path, {"name": "Rīga"})[1]["name"] == "Rīga"
    assert editor.ask("POST", f"{path}/archive")[1]["archived"] is not None
    put = {"email": "ada@reader.example", "list": made["id"], "consent": "Yes."}
    assert editor.bound().ask("PUT", "/subscribers", put)[1]["code"] == "list_archived"
    assert editor.ask("POST", f"{path}/restore")[1]["archived"] is None


@pytest.mark.parametrize(
    ("name", "code"), [("letter", "list_name_taken"), (" ", "no_name"), ("see evil.example/x", "no_name")]
)
def test_a_list_that_the_app_refuses_is_refused(editor: Program, name: str, code: str) -> None:
    assert editor.ask("POST", "/lists", {"name": name})[1]["code"] == code
    assert List.objects.count() == 2


def test_a_bound_key_changes_its_own_list_alone(editor: Program) -> None:
    letter, appeals = editor.lists["Letter"], editor.lists["Appeals"]
    bound = editor.bound(letter, scopes=("audience:write", "subscribers:read"))
    assert bound.ask("PATCH", f"/lists/{letter.pk}", {"name": "Weekly"})[0] == 200
    assert bound.ask("PATCH", f"/lists/{appeals.pk}", {"name": "Mine"})[1]["code"] == "no_such_list"
    assert bound.ask("POST", "/lists", {"name": "New"})[1]["code"] == "key_bound"
    assert bound.ask("POST", "/segments", {"name": "All", "condition": {"all": []}})[1]["code"] == "key_bound"


def test_a_segment_is_created_counted_read_by_pages_changed_and_deleted(editor: Program) -> None:
    _people(editor, *(f"reader{number}" for number in range(7)), tags=("Riga",))
    _people(editor, "ada")
    status, made = editor.ask("POST", "/segments", {"name": "In Riga", "condition": {"tag": "Riga"}})
    assert status == 201
    path = f"/segments/{made['id']}"
    segment = editor.ask("GET", path)[1]
    assert (segment["condition"], segment["broken"]) == ({"tag": "Riga"}, "")
    assert editor.ask("GET", f"{path}/count") == (200, {"count": 7})
    met, cursor = [], ""
    while cursor is not None:
        status, page = editor.ask("GET", f"{path}/subscribers?count=3{cursor and f'&cursor={cursor}'}")
        assert status == 200 and len(page["items"]) <= 3
        met += [item["email"] for item in page["items"]]
        cursor = page["next"]
    assert len(met) == len(set(met)) == 7
    everybody = {"version": segment["version"], "condition": {"all": []}}
    assert editor.ask("PATCH", path, everybody)[1]["name"] == "In Riga"
    assert editor.ask("GET", f"{path}/count")[1] == {"count": 8}
    assert editor.ask("PATCH", path, everybody)[1]["code"] == "overtaken"
    assert editor.ask("DELETE", path) == (204, None)
    assert editor.ask("GET", path)[1]["code"] == "no_such_segment"


@pytest.mark.parametrize(
    "condition",
    [
        {"tag": "None such"},
        {"tag": 1 << 70},
        {"campaign": -(1 << 70)},
        {"opened": 1},
        {},
        {"all": [{"all": 3}]},
        {"list": {"id": 1 << 65, "status": "subscribed"}},
        {"field": {"number": "CITY", "op": "is", "value": "Riga"}},
    ],
)
def test_a_segment_that_makes_no_sense_is_refused(editor: Program, condition: Any) -> None:
    assert editor.ask("POST", "/segments", {"name": "None", "condition": condition})[0] in (404, 422)
    assert not Segment.objects.exists()


def test_who_may_not_read_counts_nobody(editor: Program) -> None:
    writer = editor.bound(scopes=("audience:write",))
    made = writer.ask("POST", "/segments", {"name": "All", "condition": {"all": []}})[1]
    for path in ("count", "subscribers"):
        assert writer.ask("GET", f"/segments/{made['id']}/{path}")[1]["code"] == "scope_missing"
