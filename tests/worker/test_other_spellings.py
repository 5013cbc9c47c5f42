"""Who said no is not asked by any other spelling of their address either."""

from datetime import timedelta
from pathlib import Path

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import bulk_consent_writer, queries
from samizdat.audience.actions import direct
from samizdat.audience.actions.suppressions import lift, suppress, suppress_many
from samizdat.audience.consistency import check_projections
from samizdat.audience.models import List, Subscriber, Suppression
from tests.conftest import NOW
from tests.worker.conftest import say, status
from tests.worker.test_signups import mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

SMITH = ("johnsmith@gmail.com", "j.ohnsmith@gmail.com", "john.smith+1@gmail.com", "john.smith@googlemail.com")
SPELLINGS = [
    ("john.smith@gmail.com", SMITH),
    ("ada+news@example.org", ("ada@example.org", "ada+1@example.org", "ada+2@example.org")),
    ("ada@example.org", ("ada+1@example.org", "ada+2@example.org", "ada+3@example.org")),
]


def _sign_up(lantern: Organization, list_: List, *addresses: str, days: int = 0) -> None:
    from samizdat.worker.inbox import signups

    at = NOW + timedelta(days=days)
    for address in addresses:
        words = {"address": address, "list": str(list_.id), "language": "en", "wording": "One story."}
        say(lantern, "signup", at=at.isoformat(), **words)
    signups.take(at)


def _says_no(subscriber: Subscriber, no: str) -> None:
    organization = subscriber.organization
    if no == "objected":
        audience.object_to_mail(organization, subscriber=subscriber, now=NOW)
    elif no == "erased":
        audience.erase(organization, subscriber=subscriber, now=NOW)
    else:
        suppress(organization, no, subscriber=subscriber, now=NOW)


@pytest.mark.parametrize("no", ["complaint", "objected", "erased", "manual"])
@pytest.mark.parametrize(("theirs", "typed"), SPELLINGS)
def test_who_said_no_is_asked_once_a_week_or_never_whatever_spelling_is_typed(
    lantern: Organization, thursday: List, out: Path, no: str, theirs: str, typed: tuple[str, ...]
) -> None:
    _says_no(audience.add_subscriber(lantern, theirs, thursday, consent="said so", now=NOW), no)
    for days in range(3):
        _sign_up(lantern, thursday, *typed, days=days)
    assert len(mails(out)) == (0 if no == "manual" else 1)


def test_who_has_another_spelling_still_gets_their_emails(lantern: Organization, thursday: List) -> None:
    john = audience.add_subscriber(lantern, "john.smith@gmail.com", thursday, consent="said so", now=NOW)
    other = audience.add_subscriber(lantern, "johnsmith@gmail.com", thursday, consent="said so", now=NOW)
    suppress(lantern, "manual", subscriber=john, now=NOW)
    assert [audience.verdict(each, thursday, NOW).reason for each in (other, john)] == ["given", "suppressed:manual"]
    # What the sender asks: any entry with their index.
    assert not Suppression.objects.filter(email_index=bytes(other.email_index)).exists()
    assert (status(other, thursday), check_projections(lantern, NOW).wrong) == ("subscribed", [])


def test_what_is_taken_back_is_taken_back_for_each_spelling(lantern: Organization, thursday: List, out: Path) -> None:
    john = audience.add_subscriber(lantern, "john.smith@gmail.com", thursday, consent="said so", now=NOW)
    suppress(lantern, "manual", subscriber=john, now=NOW)
    assert lift(lantern, "manual", subscriber=john, now=NOW)
    assert not Suppression.objects.exists()
    _sign_up(lantern, thursday, "johnsmith@gmail.com")
    assert len(mails(out)) == 1


def test_who_confirms_again_is_asked_as_everybody(lantern: Organization, thursday: List) -> None:
    suppress(lantern, "complaint", address="ada+news@example.org", now=NOW)
    ada = audience.sign_up(lantern, "ada+news@example.org", thursday, wording="One story.", now=NOW)
    audience.confirm(ada, thursday, now=NOW)
    assert queries.suppression_of(lantern, "ada@example.org") is None
    assert not Suppression.objects.exists()


def test_a_mailbox_that_bounces_says_nothing_of_another_spelling(lantern: Organization, thursday: List) -> None:
    suppress(lantern, "bounce", address="ada+news@example.org", now=NOW)
    assert queries.suppression_of(lantern, "ada@example.org") is None


def test_pasted_and_erased_together_is_for_each_spelling_and_shown_once(lantern: Organization, thursday: List) -> None:
    suppress_many(lantern, "ada+news@example.org\nbob@example.org\n", "complaint", now=NOW)
    assert queries.suppression_of(lantern, "ada+1@example.org") == "complaint"
    assert queries.stopped_by_reason(lantern) == {"complaint": 2}
    assert [row.reason for row in queries.stopped(lantern)] == ["complaint", "complaint"]
    assert check_projections(lantern, NOW).wrong == []


def test_a_complaint_in_an_imported_file_is_for_each_spelling(
    lantern: Organization, thursday: List, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text(
        "email_address,notes,tags,metadata,type,creation_date\n"
        "bob@example.org,,,{},regular,2023-01-02 16:55:00+00:00\n"
        "ada+news@example.org,,,{},complained,2023-01-02 16:55:00+00:00\n"
    )
    direct(lantern, thursday, [str(tmp_path / "people.csv")], now=lambda: NOW)
    assert queries.suppression_of(lantern, "ada@example.org") == "complaint"
    assert queries.suppression_of(lantern, "ada+1@example.org") == "complaint"


def test_erased_in_bulk_is_for_each_spelling(lantern: Organization, thursday: List) -> None:
    ada = audience.add_subscriber(lantern, "ada+news@example.org", thursday, consent="said so", now=NOW)
    bulk_consent_writer.erase(lantern, [ada.id], NOW)
    assert queries.suppression_of(lantern, "ada@example.org") == "erased"


def test_a_corrected_address_takes_the_no_of_its_owner_along_for_each_spelling(
    lantern: Organization, thursday: List
) -> None:
    ada = audience.add_subscriber(lantern, "ada@exampel.org", thursday, consent="said so", now=NOW)
    audience.object_to_mail(lantern, subscriber=ada, now=NOW)
    audience.correct_address(ada, "ada+news@example.org", now=NOW)
    assert queries.suppression_of(lantern, "ada@example.org") == "objected"
