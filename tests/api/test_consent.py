"""Consent over the API: read as it is on record, and recorded without making anybody active."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.models import ConsentRecord, Subscription
from samizdat.events.models import Event
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

EMAIL = "ada@reader.example"
WORDING = "I agree to get appeals for donations by email."


@pytest.fixture
def ada(program: Program) -> Any:
    return audience.add_subscriber(
        program.organization, EMAIL, program.lists["Letter"], consent="At the fair.", now=NOW
    )


def _stated(program: Program, **more: Any) -> tuple[int, Any]:
    body = {
        "email": EMAIL,
        "list": program.lists["Letter"].pk,
        "purpose": "fundraising",
        "wording": WORDING,
        "at": (NOW + timedelta(hours=1)).isoformat(),
        "evidence": "Order form 4711",
    }
    return program.ask("POST", "/subscribers/consent", body | more)


def _verdicts(program: Program) -> tuple[int, int]:
    row = Subscription.objects.get(list=program.lists["Letter"])
    return row.mail_verdict, row.fundraising_verdict


def test_a_consent_to_appeals_is_recorded_once_with_its_words_time_and_evidence(program: Program, ada: Any) -> None:
    assert _stated(program) == (200, {"result": "recorded"})
    assert _verdicts(program) == (1, 1)
    assert _stated(program)[1] == {"result": "unchanged"}
    status, answer = program.ask("GET", f"/subscribers/{ada.number}/consent")
    assert status == 200
    newest, first = answer["items"]
    assert (newest["kind"], newest["way"], newest["purpose"]) == ("given", "api", "fundraising")
    assert (newest["wording"], newest["source"]) == (WORDING, "Order form 4711")
    assert newest["at"].startswith((NOW + timedelta(hours=1)).isoformat()[:16])
    assert (first["kind"], first["way"], first["wording"]) == ("given", "desk", "At the fair.")
    assert Event.objects.filter(kind="subscriber.consent_recorded", about=ada.id).count() == 1


def test_nobody_who_left_becomes_active_by_it(program: Program, ada: Any) -> None:
    letter = program.lists["Letter"]
    audience.unsubscribe(ada, letter, now=NOW, purpose="fundraising")
    assert _stated(program)[1] == {"result": "left"}
    audience.unsubscribe(ada, letter, now=NOW)
    for purpose in ("newsletter", "fundraising"):
        assert _stated(program, purpose=purpose)[1] == {"result": "left"}
    assert 1 not in _verdicts(program)


def test_who_said_no_later_than_that_agreed_to_nothing(program: Program, ada: Any) -> None:
    letter = program.lists["Letter"]
    audience.unsubscribe(ada, letter, now=NOW)
    audience.confirm(ada, letter, now=NOW + timedelta(days=1))
    before = (NOW - timedelta(days=30)).isoformat()
    assert _stated(program, at=before)[1] == {"result": "left"}
    assert _verdicts(program)[1] != 1
    assert _stated(program, at=(NOW + timedelta(days=1)).isoformat())[1] == {"result": "recorded"}
    assert _verdicts(program) == (1, 1)


def test_who_never_confirmed_or_is_not_on_the_list_stays_so(program: Program, ada: Any) -> None:
    letter, appeals = program.lists["Letter"], program.lists["Appeals"]
    audience.sign_up(program.organization, "new@reader.example", letter, wording="Yes.", now=NOW)
    assert _stated(program, email="new@reader.example")[1]["code"] == "no_such_subscriber"
    assert _stated(program, list=appeals.pk, purpose="newsletter")[1]["code"] == "not_a_reader"
    body = {"email": "ben@reader.example", "list": letter.pk, "consent": "Yes."}
    program.ask("PUT", "/subscribers", body)
    ben = queries.subscriber_at(program.organization, "ben@reader.example")
    assert ben is not None
    from samizdat.audience.actions.fundraising_consent import ask

    ask(ben, [letter], WORDING, 1, now=NOW)
    assert _stated(program, email="ben@reader.example")[1] == {"result": "pending"}


def test_a_suppressed_address_stays_so(program: Program, ada: Any) -> None:
    audience.suppress(program.organization, "bounce", address=EMAIL, now=NOW)
    before = ConsentRecord.objects.count()
    assert _stated(program)[1] == {"result": "suppressed"}
    assert ConsentRecord.objects.count() == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"at": (timezone.now() + timedelta(days=2)).isoformat()}, "consent_refused"),
        ({"at": "0001-01-01T00:00:00+23:00"}, "consent_refused"),
        ({"at": "9999-12-31T23:59:59-23:00"}, "consent_refused"),
        ({"at": "2026-01-01T00:00:00"}, "invalid"),
        ({"wording": ""}, "invalid"),
        ({"purpose": "service"}, "invalid"),
        ({"email": "no address"}, "address_no_at"),
        ({"list": 4711}, "no_such_list"),
    ],
)
def test_what_cannot_be_is_refused(program: Program, ada: Any, change: dict[str, Any], code: str) -> None:
    assert _stated(program, **change)[1]["code"] == code


def test_a_key_that_only_writes_learns_of_nobody(program: Program, ada: Any) -> None:
    writer = program.bound(scopes=("subscribers:write",))
    assert _stated(writer) == _stated(writer, email="nobody@reader.example") == (200, {"result": None})
    assert _stated(writer, list=program.lists["Appeals"].pk) == (200, {"result": None})
    assert _verdicts(program) == (1, 1)


def test_a_bound_key_reads_of_its_own_lists_alone(program: Program, ada: Any) -> None:
    letter, appeals = program.lists["Letter"], program.lists["Appeals"]
    audience.add_subscriber(program.organization, EMAIL, appeals, consent="Later.", now=NOW)
    audience.unsubscribe(ada, appeals, now=NOW, reason="Too many.")
    answer = program.bound(letter).ask("GET", f"/subscribers/{ada.number}/consent")[1]
    assert [item["wording"] for item in answer["items"]] == ["At the fair."]
    answer = program.bound(appeals).ask("GET", f"/subscribers/{ada.number}/consent")[1]
    assert {(item["kind"], item["reason"]) for item in answer["items"]} == {("given", ""), ("withdrawn", "Too many.")}
