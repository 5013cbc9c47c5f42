"""Tags over the API: created, renamed, deleted, given and taken; a bound key counts and changes its own list alone."""

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.models import SubscriberTag, Tag
from samizdat.events.models import Event
from samizdat.privacy.models import Renewal
from tests.api.conftest import Program
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])
READ, WRITE, MANAGE = "subscribers:read", "subscribers:write", "audience:write"


@pytest.fixture
def editor(program: Program) -> Program:
    """Ada and Boris are on Letter, Vera is on Appeals."""
    for name, list_ in (("ada", "Letter"), ("boris", "Letter"), ("vera", "Appeals")):
        address = f"{name}@reader.example"
        audience.add_subscriber(program.organization, address, program.lists[list_], consent="Yes.", now=NOW)
    return program.bound(scopes=(READ, WRITE, MANAGE))


def _press(program: Program) -> int:
    return audience.tags_for(program.organization, ["press"])["press"]


def test_a_tag_is_created_renamed_and_deleted(editor: Program) -> None:
    status, press = editor.ask("POST", "/tags", {"name": " press "})
    assert (status, press["name"], press["totals"]) == (201, "press", [])
    assert editor.ask("POST", "/tags", {"name": "Press"})[1]["id"] == press["id"]
    path = f"/tags/{press['id']}"
    assert editor.ask("PATCH", path, {"name": "Journalists"})[1]["name"] == "Journalists"
    assert editor.call("DELETE", path).status_code == 204
    assert editor.ask("GET", "/tags")[1] == {"items": []}
    assert editor.ask("DELETE", path)[1]["code"] == "no_such_tag"


@pytest.mark.parametrize(
    ("name", "code"), [("volunteer", "tag_refused"), ("two\u0000", "tag_refused"), ("donor", "refused_donations")]
)
def test_a_name_that_the_app_refuses_is_refused(editor: Program, name: str, code: str) -> None:
    audience.tags_for(editor.organization, ["volunteer"])
    assert editor.ask("PATCH", f"/tags/{_press(editor)}", {"name": name})[1]["code"] == code
    if name != "volunteer":
        assert editor.ask("POST", "/tags", {"name": name})[1]["code"] == code


def test_a_tag_that_a_reconfirmation_uses_is_not_deleted(editor: Program) -> None:
    letter, press = editor.lists["Letter"], _press(editor)
    Renewal.objects.create(organization=editor.organization, list=letter, created=TODAY, state="asking", tag_id=press)
    status, answer = editor.ask("DELETE", f"/tags/{press}")
    assert (status, answer["detail"]) == (422, "A re-confirmation uses this tag. Close it first.")
    assert not Tag.objects.get(pk=press).removed


def test_many_get_a_tag_and_lose_it_and_the_answer_counts_them(editor: Program) -> None:
    letter, press = editor.lists["Letter"].pk, _press(editor)
    addresses = ["Ada@reader.example", "boris@reader.example", "vera@reader.example", "nobody", "no@reader.example"]
    body = {"list": letter, "add": addresses}
    counts = {"received": 5, "changed": 2, "unchanged": 0, "full": 0, "missing": 3}
    assert editor.ask("POST", f"/tags/{press}/subscribers", body) == (200, counts)
    assert editor.ask("POST", f"/tags/{press}/subscribers", body)[1] == counts | {"changed": 0, "unchanged": 2}
    assert editor.ask("GET", "/tags")[1]["items"][0]["totals"] == [{"list": letter, "subscribed": 2}]
    body = {"list": letter, "remove": ["ada@reader.example"]}
    assert editor.ask("POST", f"/tags/{press}/subscribers", body)[1]["changed"] == 1
    assert editor.ask("GET", "/tags")[1]["items"][0]["totals"] == [{"list": letter, "subscribed": 1}]
    assert Event.objects.filter(kind="subscriber.tagged").count() == 3


def test_who_has_200_tags_gets_no_more(editor: Program) -> None:
    letter = editor.lists["Letter"]
    eve = audience.add_subscriber(editor.organization, "eve@reader.example", letter, consent="Yes.", now=NOW)
    audience.add_tags(eve, [f"tag {number}" for number in range(200)], now=NOW)
    body = {"list": letter.pk, "add": ["eve@reader.example"]}
    assert editor.ask("POST", f"/tags/{_press(editor)}/subscribers", body)[1]["full"] == 1


def test_more_than_500_are_refused(editor: Program) -> None:
    body = {
        "list": editor.lists["Letter"].pk,
        "add": ["ada@reader.example"] * 300,
        "remove": ["no@reader.example"] * 300,
    }
    assert editor.ask("POST", f"/tags/{_press(editor)}/subscribers", body)[1]["code"] == "too_many"
    assert not SubscriberTag.objects.exists()


def test_a_bound_key_counts_and_tags_its_own_list_alone(editor: Program) -> None:
    letter, appeals, press = editor.lists["Letter"], editor.lists["Appeals"], _press(editor)
    editor.ask("POST", f"/tags/{press}/subscribers", {"list": appeals.pk, "add": ["vera@reader.example"]})
    bound = editor.bound(letter, scopes=(READ, WRITE, MANAGE))
    assert bound.ask("GET", "/tags")[1]["items"][0]["totals"] == []
    body = {"list": appeals.pk, "remove": ["vera@reader.example"]}
    assert bound.ask("POST", f"/tags/{press}/subscribers", body)[1]["code"] == "no_such_list"
    body = {"list": letter.pk, "remove": ["vera@reader.example"]}
    assert bound.ask("POST", f"/tags/{press}/subscribers", body)[1]["missing"] == 1
    assert bound.ask("PATCH", f"/tags/{press}", {"name": "Mine"})[1]["code"] == "key_bound"
    assert bound.ask("DELETE", f"/tags/{press}")[1]["code"] == "key_bound"
    assert SubscriberTag.objects.get().tag_id == press


def test_a_key_that_may_only_write_learns_nothing_of_who_is_here(editor: Program) -> None:
    writer, press = editor.bound(scopes=(WRITE,)), _press(editor)
    body = {"list": editor.lists["Letter"].pk, "add": ["ada@reader.example", "no@reader.example"]}
    answer = {"received": 2, "changed": None, "unchanged": None, "full": None, "missing": None}
    assert writer.ask("POST", f"/tags/{press}/subscribers", body)[1] == answer
    assert writer.ask("GET", "/tags")[1]["items"] == [{"id": press, "name": "press", "totals": None}]
