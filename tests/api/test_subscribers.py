"""Subscribers over the API: nobody comes back by it who left, and nobody learns more than the key may read."""

from typing import Any

import pytest
from django.utils import timezone

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.models import Subscriber, Subscription
from samizdat.events.models import Event
from samizdat.publicdb.actions import publish_place
from samizdat.publicdb.models import Intake
from tests.api.conftest import BOTH, Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

CONSENT = "Ticked the box on our website."


@pytest.fixture
def ada(program: Program) -> Any:
    audience.add_field(program.organization, "FNAME", "First name", now=NOW)
    return audience.add_subscriber(
        program.organization,
        "ada@reader.example",
        program.lists["Letter"],
        consent="At the fair.",
        values={"FNAME": "Ada"},
        tags=["volunteer"],
        now=NOW,
    )


def _upsert(program: Program, email: str = "ada@reader.example", **more: Any) -> tuple[int, Any]:
    body = {"email": email, "list": program.lists["Letter"].pk, "consent": CONSENT} | more
    return program.ask("PUT", "/subscribers", body)


def _status(program: Program, email: str) -> str:
    subscriber = queries.subscriber_at(program.organization, email)
    assert subscriber is not None
    return queries.card(subscriber, timezone.now()).lists[0].status


def test_who_is_new_is_subscribed_with_the_words_they_agreed_to(program: Program, ada: Any) -> None:
    status, answer = _upsert(
        program, "boris@reader.example", fields={"FNAME": "Boris"}, tags=["press", "volunteer"], language="ru"
    )
    assert (status, answer["result"]) == (200, "added")
    status, boris = program.ask("GET", f"/subscribers/{answer['number']}")
    assert boris["email"] == "boris@reader.example"
    assert (boris["fields"], boris["tags"], boris["language"]) == ({"FNAME": "Boris"}, ["press", "volunteer"], "ru")
    assert [(each["status"], each["verdict"]) for each in boris["lists"]] == [("subscribed", "yes")]
    subscriber = queries.subscriber_at(program.organization, "boris@reader.example")
    assert subscriber is not None
    [entry] = queries.card(subscriber, timezone.now()).timeline
    assert (entry.kind, entry.way, entry.wording) == ("given", "api", CONSENT)


def test_the_same_again_changes_nothing(program: Program, ada: Any) -> None:
    assert _upsert(program, fields={"FNAME": "Ada"}, tags=["volunteer"])[1] == {
        "number": ada.number,
        "result": "unchanged",
    }
    before = Event.objects.count()
    assert _upsert(program, "ADA@reader.example")[1]["result"] == "unchanged"
    assert Event.objects.count() == before
    assert _upsert(program, fields={"FNAME": "Adele"}, tags=["press"])[1]["result"] == "updated"
    assert program.ask("GET", f"/subscribers/{ada.number}")[1]["tags"] == ["press", "volunteer"]


def test_nobody_who_left_comes_back_by_a_program(program: Program, ada: Any) -> None:
    letter = program.lists["Letter"]
    audience.unsubscribe(ada, letter, now=NOW)
    assert _upsert(program, fields={"FNAME": "Other"})[1]["result"] == "left"
    rows = [{"email": "ada@reader.example"}]
    status, answer = program.ask(
        "POST", "/subscribers/batch", {"list": letter.pk, "consent": CONSENT, "subscribers": rows}
    )
    assert (status, answer["left"], answer["added"]) == (200, 1, 0)
    assert _status(program, "ada@reader.example") == "unsubscribed"


def test_an_erased_or_suppressed_address_stays_so(program: Program, ada: Any) -> None:
    audience.erase(program.organization, subscriber=ada, now=NOW)
    assert _upsert(program)[1]["code"] == "erased"
    writer = program.bound(scopes=("subscribers:write",))
    assert _upsert(writer) == (200, {"number": None, "result": None})
    audience.suppress(program.organization, "bounce", address="bounced@reader.example", now=NOW)
    assert _upsert(program, "bounced@reader.example")[1]["result"] == "suppressed"
    assert not Subscriber.objects.exists()


def test_a_key_that_only_writes_learns_of_nobody(program: Program, ada: Any) -> None:
    writer = program.bound(scopes=("subscribers:write",))
    assert _upsert(writer) == _upsert(writer, "new@reader.example") == (200, {"number": None, "result": None})
    rows = [{"email": "ada@reader.example"}, {"email": "more@reader.example"}]
    body = {"list": program.lists["Letter"].pk, "consent": CONSENT, "subscribers": rows}
    answer = writer.ask("POST", "/subscribers/batch", body)[1]
    assert {answer[name] for name in ("added", "updated", "unchanged", "left")} == {None}
    for method, path, sent in (
        ("GET", "/subscribers", None),
        ("GET", f"/subscribers/{ada.number}", None),
        ("POST", "/subscribers/lookup", {"email": "ada@reader.example"}),
        ("PATCH", f"/subscribers/{ada.number}", {"language": "ru"}),
    ):
        status, problem = writer.ask(method, path, sent)
        assert (status, problem["code"]) == (403, "scope_missing"), path


def test_a_batch_brings_the_good_and_names_the_bad(program: Program, ada: Any) -> None:
    rows = [
        {"email": "ada@reader.example", "fields": {"FNAME": "Adele"}},
        {"email": "no address"},
        {"email": "boris@reader.example", "tags": ["press"]},
        {"email": "BORIS@reader.example"},
        *({"email": f"reader{number}@reader.example"} for number in range(50)),
    ]
    body = {"list": program.lists["Letter"].pk, "consent": CONSENT, "subscribers": rows}
    status, answer = program.ask("POST", "/subscribers/batch", body)
    assert status == 200
    counts = {name: answer[name] for name in ("received", "added", "updated", "unchanged", "left", "rejected")}
    assert counts == {"received": 54, "added": 51, "updated": 1, "unchanged": 0, "left": 0, "rejected": 2}
    assert [reject["index"] for reject in answer["rejects"]] == [1, 3]
    assert Subscription.objects.filter(list=program.lists["Letter"], status=1).count() == 52
    again = program.ask("POST", "/subscribers/batch", body)[1]
    assert (again["added"], again["updated"], again["unchanged"]) == (0, 0, 52)


def test_pages_go_through_all_once(program: Program, ada: Any) -> None:
    rows = [{"email": f"reader{number}@reader.example"} for number in range(25)]
    body = {"list": program.lists["Letter"].pk, "consent": CONSENT, "subscribers": rows}
    program.ask("POST", "/subscribers/batch", body)
    met, cursor = [], ""
    while cursor is not None:
        status, page = program.ask("GET", f"/subscribers?count=10{cursor and f'&cursor={cursor}'}")
        assert status == 200
        met += [item["email"] for item in page["items"]]
        cursor = page["next"]
    assert len(met) == len(set(met)) == 26
    assert Event.objects.filter(kind="subscribers.read_by_program").count() == 1
    for asked in ("count=1000000", "count=0", "cursor=x", "cursor=9999999999999", "status=gone", "list=x"):
        assert program.ask("GET", f"/subscribers?{asked}")[0] == 422, asked


def test_a_bound_key_sees_and_changes_nobody_of_other_lists(program: Program, ada: Any, bell: Program) -> None:
    appeals = program.bound(program.lists["Appeals"])
    assert appeals.ask("GET", "/subscribers")[1] == {"items": [], "next": None}
    for asking in (appeals, bell):
        assert asking.ask("GET", f"/subscribers/{ada.number}")[1]["code"] == "no_such_subscriber"
        assert asking.ask("POST", "/subscribers/lookup", {"email": "ada@reader.example"})[0] == 404
        assert asking.ask("PATCH", f"/subscribers/{ada.number}", {"language": "ru"})[0] == 404
    letter = program.lists["Letter"].pk
    assert appeals.ask("GET", f"/subscribers?list={letter}")[1]["code"] == "no_such_list"
    assert _upsert(appeals)[1]["code"] == "no_such_list"
    assert appeals.ask("POST", "/subscribers/unsubscribe", {"email": "ada@reader.example"})[0] == 204
    assert program.ask("GET", f"/subscribers/{ada.number}")[1]["lists"][0]["status"] == "subscribed"
    letter_key = program.bound(program.lists["Letter"])
    assert [item["number"] for item in letter_key.ask("GET", "/subscribers")[1]["items"]] == [ada.number]
    assert program.bound(*program.lists.values()).ask("GET", "/subscribers")[1]["code"] == "list_missing"


def test_a_subscriber_is_changed_and_unsubscribed(program: Program, ada: Any) -> None:
    changes = {"fields": {"FNAME": ""}, "language": "ru", "add_tags": ["press"], "remove_tags": ["volunteer"]}
    status, answer = program.ask("PATCH", f"/subscribers/{ada.number}", changes)
    assert (status, answer["fields"], answer["tags"], answer["language"]) == (200, {}, ["press"], "ru")
    assert program.call("POST", "/subscribers/unsubscribe", {"email": "ADA@reader.example"}).status_code == 204
    assert program.call("POST", "/subscribers/unsubscribe", {"email": "nobody@reader.example"}).status_code == 204
    assert _status(program, "ada@reader.example") == "unsubscribed"


def test_who_signs_up_is_asked_by_email_and_is_on_no_list_before(program: Program, ada: Any) -> None:
    letter = program.lists["Letter"]
    body = {"email": "new@reader.example", "list": letter.pk, "fields": {"FNAME": "Nina"}, "language": "ru"}
    assert program.ask("POST", "/subscribers", body)[1]["code"] == "no_form"
    audience.give_form(letter, "letter", now=NOW)
    publish_place(bytes(program.organization.uid), host="", name="L", language="en", accent="#b3261e")
    assert program.ask("POST", "/subscribers", body) == (202, {"result": "asked"})
    assert program.ask("POST", "/subscribers", body | {"email": "ada@reader.example"}) == (202, {"result": "asked"})
    assert Intake.objects.filter(kind="signup").count() == 2
    assert program.ask("POST", "/subscribers/lookup", {"email": "new@reader.example"})[0] == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fields": {"GIFT": "100"}}, "no_such_field"),
        ({"fields": {"LASTGIFT": "100"}}, "refused_donations"),
        ({"tags": ["Monthly donor"]}, "refused_donations"),
        ({"email": "no address"}, "address_no_at"),
        ({"email": None}, "invalid"),
        ({"consent": ""}, "invalid"),
        ({"list": 2**70}, "no_such_list"),
        ({"list": "x"}, "invalid"),
        ({"fields": {"FNAME": {"a": 1}}}, "invalid"),
        ({"tags": ["a"] * 201}, "invalid"),
        ({"language": "x" * 90}, "invalid"),
    ],
)
def test_what_cannot_come_in_is_refused_with_a_sentence(
    program: Program, ada: Any, change: dict[str, Any], code: str
) -> None:
    audience.add_field(program.organization, "LASTGIFT", "Last gift", now=NOW)
    status, problem = _upsert(program, **{"email": "new@reader.example"} | change)
    assert status in (404, 422)
    assert problem["code"] == code
    assert "no address" not in str(problem)
    assert Subscriber.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 5000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"\xff", b'{"email": "\\ud800"}', b"NaN", b"[]"],
)
def test_what_is_no_json_of_ours_is_refused(program: Program, body: bytes) -> None:
    status, problem = program.ask("PUT", "/subscribers", body)
    assert (status, problem["code"]) in ((400, "not_json"), (422, "invalid"))


def test_a_body_of_5_mb_is_refused_before_it_is_read(program: Program) -> None:
    status, problem = program.ask("PUT", "/subscribers", b'{"email": "' + b"a" * 5_000_000 + b'"}')
    assert (status, problem["code"]) == (413, "too_large")


def test_admins_are_notified_when_a_key_changes_the_values_of_many(program: Program, ada: Any) -> None:
    """As of an import, where a second person releases campaigns: values stand in emails."""
    from samizdat.accounts import actions as accounts
    from samizdat.accounts import api_keys
    from tests.conftest import PASSWORD, TODAY

    organization, letter = program.organization, program.lists["Letter"]
    vera = accounts.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    accounts.give_role(vera, organization, "admin", by=None, now=NOW)
    accounts.change_settings(organization, by=None, now=NOW, requires_approval=True)
    rows = [{"email": f"reader{number}@reader.example", "fields": {"FNAME": "A"}} for number in range(25)]
    body = {"list": letter.pk, "consent": CONSENT, "subscribers": rows}
    assert program.ask("POST", "/subscribers/batch", body)[1]["added"] == 25
    token, row = api_keys.add(organization, "Sync", BOTH, now=timezone.now(), by=vera)
    api_keys.sign(row)
    for each in rows:
        each["fields"] = {"FNAME": "B"}
    assert Program(organization, token=token).ask("POST", "/subscribers/batch", body)[1]["updated"] == 25
    assert Event.objects.filter(kind="person.value_limit_reached", about=vera.pk).count() == 1
