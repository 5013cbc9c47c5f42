"""Who is let in by a key, to which lists; and how anything else is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts import api_keys
from samizdat.api import keys
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parent.parent.parent


def _code(answer: tuple[int, Any]) -> tuple[int, str]:
    status, problem = answer
    assert problem["status"] == status
    assert problem["type"] == f"urn:samizdat:problem:{problem['code']}"
    assert problem["detail"].endswith((".", "keys unlock"))
    return status, problem["code"]


def test_a_key_lists_the_lists_of_its_organization(program: Program, bell: Program) -> None:
    status, answer = program.ask("GET", "/lists")
    assert status == 200
    assert {item["name"] for item in answer["items"]} == {"Letter", "Appeals"}
    assert answer["items"][0]["totals"]["subscribed"] == 0
    assert [item["name"] for item in bell.ask("GET", "/lists")[1]["items"]] == ["Bell"]


def test_a_bound_key_knows_no_other_list(program: Program, bell: Program) -> None:
    letter, appeals = program.lists.values()
    bound = program.bound(letter)
    assert [item["id"] for item in bound.ask("GET", "/lists")[1]["items"]] == [letter.pk]
    assert bound.ask("GET", f"/lists/{letter.pk}")[0] == 200
    for foreign in (appeals.pk, bell.lists["Bell"].pk, 0, 2**70):
        assert _code(bound.ask("GET", f"/lists/{foreign}")) == (404, "no_such_list")
    assert _code(program.ask("GET", f"/lists/{bell.lists['Bell'].pk}")) == (404, "no_such_list")


def test_fields_tags_and_segments_are_listed(program: Program, bell: Program) -> None:
    from samizdat.audience import actions
    from samizdat.audience.segment_conditions.list_status import ListCondition

    letter = program.lists["Letter"]
    actions.add_field(program.organization, "FNAME", "First name", now=NOW)
    actions.add_subscriber(program.organization, "ada@r.example", letter, consent="Yes.", tags=["press"], now=NOW)
    actions.add_segment(program.organization, "Here", ListCondition(letter.pk), now=NOW)
    field = {"tag": "FNAME", "label": "First name", "kind": "text", "required": False, "choices": []}
    assert program.ask("GET", "/fields") == (200, {"items": [field]})
    assert [item["name"] for item in program.ask("GET", "/tags")[1]["items"]] == ["press"]
    assert [item["name"] for item in program.ask("GET", "/segments")[1]["items"]] == ["Here"]
    for path in ("/fields", "/tags", "/segments"):
        assert bell.ask("GET", path) == (200, {"items": []})


def test_without_a_key_that_works_there_is_nothing(program: Program) -> None:
    for token in ("", "smz_" + "a" * 40, program.token[:-1]):
        response = Program(program.organization, token=token).call("GET", "/lists")
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response["Content-Type"] == "application/problem+json"
        assert json.loads(response.content)["code"] == "api_key_invalid"
    assert program.call("GET", "/lists", Authorization=f"Basic {program.token}").status_code == 401
    [view] = api_keys.keys_of(program.organization, NOW)
    api_keys.revoke(program.organization, view.id, now=NOW, by=None)
    assert _code(program.ask("GET", "/lists")) == (401, "api_key_invalid")


def test_other_paths_and_methods_are_refused_as_problems(program: Program) -> None:
    assert _code(program.ask("GET", "/nothing")) == (404, "no_such_path")
    assert _code(program.ask("GET", "/lists/word")) == (404, "no_such_path")
    response = program.call("DELETE", "/lists")
    assert _code((405, json.loads(response.content))) == (405, "method_not_allowed")
    assert {*response["Allow"].split(", ")} == {"GET", "POST"}


def test_too_many_requests_of_a_key_are_refused_with_when_to_try_again(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "AT_ONCE", 2)
    monkeypatch.setenv("SAMIZDAT_API_RATE", "1")
    monkeypatch.setattr("samizdat.dbclock.ticks", lambda: 1.0)
    assert [program.ask("GET", "/lists")[0] for _ in range(3)] == [200, 200, 429]
    assert program.call("GET", "/lists")["Retry-After"] == "1"
    assert program.bound().ask("GET", "/lists")[0] == 200


def test_a_locked_organization_answers_nothing(program: Program) -> None:
    from samizdat.vault import locks

    locks.write(program.organization, True, after=0, now=NOW, by_id=None)
    assert _code(program.ask("GET", "/lists")) == (423, "organization_locked")


def test_what_breaks_says_nothing_of_what_was_asked(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_words: Any, **_more: Any) -> None:
        raise RuntimeError("ada@reader.example")

    monkeypatch.setattr("samizdat.audience.queries.lists", breaks)
    status, problem = program.ask("GET", "/lists")
    assert (status, problem["code"]) == (500, "broken")
    assert "ada" not in json.dumps(problem)


IMPORTED = """
import json, sys, django
django.setup()
from samizdat.worker.processes import zygote
zygote.import_everything()
print(json.dumps([name for name in sys.modules if name.partition(".")[0] in ("ninja", "pydantic", "pydantic_core")]))
"""


@pytest.mark.once
def test_no_process_imports_the_api_before_somebody_calls_it(vault: Any, tmp_path: Path) -> None:
    """It costs memory and a second, and most installations never get a request."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "samizdat.settings",
        "SAMIZDAT_DATA": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
