"""A case about a closed account: sealed, with deadlines by law, evidence that can be proven, and reminders."""

import hashlib
import io
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from samizdat.core.crypto.seal import SealBroken
from samizdat.core.rescue.case import ClosedAccount
from samizdat.core.rescue.requests import KINDS
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.health import rescue_cases as health
from samizdat.privacy import actions
from samizdat.privacy.actions import rescue_cases as limits
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase, RescueEvidencePiece
from samizdat.privacy.rescue_cases import (
    case_numbered,
    cases,
    details_of,
    draft,
    evidence_place,
    open_requests,
    read_evidence,
)
from samizdat.vault import keyring
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
ACCOUNT = ClosedAccount(
    "mailchimp",
    TODAY - timedelta(days=3),
    "Northern Lantern",
    country="LV",
    subscribers_in=("LV", "RU"),
    owner_country="LV",
    account="northern-lantern",
    owner="clara@lantern.example",
    reply_to="data@lantern.example",
    signed="Clara",
    authority="Datu valsts inspekcija",
)


@pytest.fixture
def case(lantern: Any) -> RescueCase:
    return actions.open_case(lantern, ACCOUNT, now=NOW)


def states(organization: Any, today: date) -> list[tuple[str, str]]:
    return [(finding.code, finding.state) for finding in health.of_organization(organization, today)]


def test_a_case_is_opened_and_names_nobody_in_the_clear(lantern: Any, case: RescueCase) -> None:
    assert [row.pk for row in cases(lantern)] == [case.pk]
    assert details_of(case_numbered(lantern, case.pk)).account == ACCOUNT
    blob = bytes(RescueCase.objects.get().details_sealed)
    assert not any(word in blob for word in (b"mailchimp", b"clara", b"Lantern", b"data@"))
    assert Event.objects.get(kind="rescue_case.opened").about == case.pk


def test_a_case_of_another_organization_is_not_there(lantern: Any, case: RescueCase) -> None:
    for number in (case.pk + 1, 0, -1, 1 << 70):
        with pytest.raises(PrivacyError, match="no case"):
            case_numbered(lantern, number)


@pytest.mark.parametrize("wrong", [replace(ACCOUNT, provider="  "), replace(ACCOUNT, closed=TODAY + timedelta(days=1))])
def test_a_case_that_cannot_be_is_refused(lantern: Any, wrong: ClosedAccount) -> None:
    with pytest.raises(PrivacyError):
        actions.open_case(lantern, wrong, now=NOW)
    assert not RescueCase.objects.exists()


def test_long_texts_are_cut_and_their_lines_joined(lantern: Any) -> None:
    row = actions.open_case(lantern, replace(ACCOUNT, signed="Clara\n" + "x" * 5_000), now=NOW)
    assert details_of(row).account.signed.startswith("Clara x") and len(details_of(row).account.signed) == 300


def test_a_request_that_was_sent_has_a_deadline_and_an_answer_ends_it(lantern: Any, case: RescueCase) -> None:
    number = actions.note_sent(case, "return", TODAY, now=NOW)
    [waiting] = open_requests(lantern, TODAY)
    assert (waiting.number, waiting.days, waiting.deadline.by_law) == (number, 14, None)
    actions.note_answered(case, number, TODAY + timedelta(days=1), now=NOW + timedelta(days=1))
    assert not [*open_requests(lantern, TODAY)]


def test_the_month_runs_from_the_day_of_receipt_and_an_extension_makes_it_three(lantern: Any, case: RescueCase) -> None:
    number = actions.note_sent(case, "account", TODAY, TODAY + timedelta(days=1), now=NOW)
    [waiting] = open_requests(lantern, TODAY)
    assert waiting.deadline.by_law is not None and waiting.deadline.by_law.id == "gdpr-access"
    actions.note_answered(case, number, None, extended=True, now=NOW)
    [longer] = open_requests(lantern, TODAY)
    assert longer.deadline.at > waiting.deadline.at + timedelta(days=55)


@pytest.mark.parametrize(("sent", "received"), [(2, None), (0, -1), (-40_000 // 4, None)])
def test_days_that_cannot_be_are_refused(case: RescueCase, sent: int, received: int | None) -> None:
    with pytest.raises(PrivacyError, match="days"):
        actions.note_sent(
            case,
            "return",
            TODAY + timedelta(days=sent),
            None if received is None else TODAY + timedelta(days=received),
            now=NOW,
        )


def test_what_is_not_in_a_case_is_refused_with_a_sentence(case: RescueCase) -> None:
    with pytest.raises(PrivacyError, match="no request 1"):
        actions.note_answered(case, 1, TODAY, now=NOW)
    with pytest.raises(PrivacyError, match="no request"):
        actions.note_sent(case, "pigeon", TODAY, now=NOW)


def test_a_passed_deadline_is_red_until_an_answer_or_a_complaint(lantern: Any, case: RescueCase) -> None:
    assert states(lantern, TODAY) == []
    actions.note_sent(case, "return", TODAY, now=NOW)
    assert states(lantern, TODAY) == []
    assert states(lantern, TODAY + timedelta(days=8)) == [("rescue.deadline-near", "amber")]
    assert states(lantern, TODAY + timedelta(days=14)) == [("rescue.deadline-near", "amber")], "the last day is theirs"
    late = TODAY + timedelta(days=15)
    assert states(lantern, late) == [("rescue.overdue", "red")]
    [finding] = health.of_organization(lantern, late)
    assert f"case show {case.pk}" in finding.sentence and "Mailchimp" not in finding.sentence
    actions.note_sent(case, "complaint", late, now=NOW + timedelta(days=15))
    assert states(lantern, late) == []
    assert states(lantern, late + timedelta(days=120)) == [("rescue.authority-silent", "amber")]


def test_nobody_is_reminded_of_a_finished_case(lantern: Any, case: RescueCase) -> None:
    actions.note_sent(case, "return", TODAY, now=NOW)
    actions.finish_case(case, TODAY, now=NOW)
    assert states(lantern, TODAY + timedelta(days=99)) == []
    assert details_of(case_numbered(lantern, case.pk)).finished == TODAY


def test_evidence_is_sealed_hashed_and_in_the_log(lantern: Any, case: RescueCase) -> None:
    content = b"Account suspended" * 100_000
    added = actions.add_evidence(case, "notice.eml", io.BytesIO(content), note="their\nmail", now=NOW)
    assert (added.size, added.parts, added.note) == (len(content), 2, "their mail")
    assert added.sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(read_evidence(case, added)) == content
    assert not any(b"suspended" in bytes(blob) for blob in RescueEvidencePiece.objects.values_list("blob", flat=True))
    event = Event.objects.get(kind="rescue_case.evidence_added")
    assert detail_of(event)["sha256"] == added.sha256
    second = actions.add_evidence(case, "second.png", io.BytesIO(b"png"), now=NOW)
    assert second.first == 2 and b"".join(read_evidence(case, second)) == b"png"
    text = draft(case_numbered(lantern, case.pk), KINDS["complaint"], TODAY, "en").text
    assert f"SHA-256 {added.sha256}" in text and "second.png" in text


def test_a_file_that_is_too_large_or_empty_leaves_nothing(case: RescueCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 10)
    for content in (b"x" * 11, b""):
        with pytest.raises(PrivacyError):
            actions.add_evidence(case, "x.png", io.BytesIO(content), now=NOW)
    assert not RescueEvidencePiece.objects.exists() and details_of(case).evidence == []


def test_a_case_takes_so_many_files_and_requests(case: RescueCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 1)
    actions.add_evidence(case, "x.png", io.BytesIO(b"x"), now=NOW)
    actions.note_sent(case, "return", TODAY, now=NOW)
    with pytest.raises(PrivacyError, match="1 files"):
        actions.add_evidence(case, "y.png", io.BytesIO(b"y"), now=NOW)
    with pytest.raises(PrivacyError, match="1 requests"):
        actions.note_sent(case, "return", TODAY, now=NOW)


def test_a_piece_that_is_missing_or_exchanged_is_said(lantern: Any, case: RescueCase) -> None:
    added = actions.add_evidence(case, "x.png", io.BytesIO(b"x"), now=NOW)
    other = keyring.keys(lantern).seal(b"y", *evidence_place(case.pk, 7))
    RescueEvidencePiece.objects.filter(case=case).update(blob=other)
    with pytest.raises(SealBroken):
        [*read_evidence(case, added)]
    RescueEvidencePiece.objects.all().delete()
    with pytest.raises(PrivacyError, match="missing"):
        [*read_evidence(case, added)]


def test_facts_that_are_known_later_are_changed_and_what_was_sent_stays(lantern: Any, case: RescueCase) -> None:
    actions.note_sent(case, "return", TODAY, now=NOW)
    actions.change_case(case, replace(ACCOUNT, country="BY", subscribers_in=()), now=NOW)
    details = details_of(case_numbered(lantern, case.pk))
    assert details.account.country == "BY" and len(details.sent) == 1
