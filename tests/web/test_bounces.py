"""Why an address is suppressed, in words, and what an admin decides where too many were called nonexistent."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions
from samizdat.cli.audience import _why_suppressed
from samizdat.core.bounce.report import ReportEvent
from samizdat.core.mail.ledger import State
from samizdat.core.mail.outcome import NUMBERS
from samizdat.delivery.actions import add_route
from samizdat.delivery.models import Delivery
from samizdat.delivery.queries import held_bounces, suppression_cause
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.incoming import follow_up
from samizdat.incoming.identity import SentMessage
from samizdat.incoming.models import SeedCopy
from samizdat.incoming.seeds import mailboxes as seeds
from tests.conftest import NOW
from tests.web.conftest import House, signed_in

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def suppressed(here: House, answer: str, code: int, status: str, days: int) -> None:
    row = {"state": State.REFUSED, "answer": NUMBERS[answer], "code": code}
    facts = {"edition": here.sent.edition, "number": here.ada.number}
    Delivery.objects.filter(**facts).delete()
    Delivery.objects.create(**facts, **row, day=NOW.date())
    detail = {"answer": answer, "code": code, "status": status, "days": days}
    assert actions.suppress_bounced(here.organization, {here.ada.id: detail}, now=NOW) == 1


@pytest.mark.parametrize(
    ("answer", "code", "status", "days", "sentence"),
    [
        ("no_such_mailbox", 550, "5.1.1", 1, "the mailbox provider said that this mailbox doesn’t exist (550 5.1.1)."),
        ("full", 552, "5.2.2", 3, "said on 3 different days that this mailbox is full (most recently 552 5.2.2)."),
        ("unavailable", 550, "", 3, "on 3 different days that this mailbox is unavailable (most recently 550)."),
    ],
)
def test_the_subscribers_page_says_what_their_server_answered_and_to_which_campaign(
    here: House, desk: Desk, answer: str, code: int, status: str, days: int, sentence: str
) -> None:
    suppressed(here, answer, code, status, days)
    page = " ".join(desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode().split())
    assert sentence in page and "Suppressed on" in page
    assert f'Last campaign with this answer: <a href="{_to(here, "report", here.sent.pk)}">' in page


def test_of_deliveries_that_are_deleted_only_the_answer_is_known(here: House, desk: Desk) -> None:
    suppressed(here, "no_such_mailbox", 550, "5.1.1", 1)
    Delivery.objects.all().delete()
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "doesn’t exist (550 5.1.1)" in page and "Last campaign" not in page


def test_the_command_line_says_it_as_well(here: House) -> None:
    suppressed(here, "no_such_mailbox", 550, "5.1.1", 1)
    day = NOW.date().isoformat()
    assert _why_suppressed(here.ada, "bounce") == (
        f"Suppressed on {day}: the mailbox provider said that this mailbox doesn’t exist (550 5.1.1). "
        f"Last campaign with this answer: {here.sent.pk}."
    )
    assert _why_suppressed(here.ada, "manual") == "On the suppression list: your team added it."
    assert _why_suppressed(here.ada, None) == ""


def test_who_was_suppressed_by_a_file_has_no_answer_and_neither_has_a_forged_event(here: House, desk: Desk) -> None:
    actions.suppress(here.organization, "bounce", subscriber=here.ada, now=NOW)
    assert suppression_cause(here.organization, here.ada.id) is None
    actions.suppress(here.organization, "manual", subscriber=here.ada, now=NOW)
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "mailbox provider said" not in page


@pytest.fixture
def held(here: House) -> Any:
    detail = {"provider": "gmail", "count": 30, "answered": 90}
    record("campaign.bounces_held", here.organization, now=NOW, about=here.sent.pk, detail=detail)
    return here.sent


def test_an_admin_decides_about_mailboxes_that_nobody_believes_to_be_gone(here: House, desk: Desk, held: Any) -> None:
    here.sent.__class__.objects.filter(pk=held.pk).update(refused=30, frozen=here.sent.frozen + 30)
    report, press = _to(here, "report", held.pk), _to(here, "suppress-bounced", held.pk)
    page = " ".join(desk("editor").get(report).content.decode().split())
    assert "Gmail says that 30 of 90 mailboxes don’t exist or don’t work." in page
    assert "An admin decides." in page and "Suppress these addresses" not in page
    assert desk("editor").post(press, {"provider": "gmail"}).status_code == 403
    assert "Suppress these addresses" in desk("admin").get(report).content.decode()
    home, what = _to(here, "home"), "unusually many nonexistent mailboxes"
    assert [what in desk(role).get(home).content.decode() for role in ("admin", "editor")] == [True, False]
    done = desk("admin").post(press, {"provider": "gmail"}, follow=True).content.decode()
    assert "These addresses are being added to the suppression list." in done
    assert held_bounces(held) == [] and [row.word for row in held_bounces(held, settled=True)] == ["gmail"]
    assert Event.objects.get(kind="campaign.bounces_settled").by == here.people["admin"]
    assert what not in desk("admin").get(home).content.decode()
    again = desk("admin").post(press, {"provider": "gmail"}, follow=True).content.decode()
    assert "Nothing waits for a decision here." in again


def test_the_report_shows_where_copies_to_seed_mailboxes_arrived(here: House, desk: Desk) -> None:
    organization = here.organization
    report = _to(here, "report", here.sent.pk)
    assert 'id="placements"' not in desk("viewer").get(report).content.decode()
    route = add_route(organization, "main relay", "smtp+plain://127.0.0.1:2525", now=NOW)
    for name, state in (("at Gmail", SeedCopy.SPAM), ("at Mail.ru", SeedCopy.INBOX)):
        address = f"{state}@post.example"
        seed = seeds.add(organization, name, address, "imaps://seed:secret@post.example", now=NOW)
        where = {"organization": organization, "campaign": here.sent, "route": route, "seed": seed}
        SeedCopy.objects.create(**where, state=state, mark="ab", at=NOW)
    page = " ".join(desk("viewer").get(report).content.decode().split())
    assert '<th scope="row">main relay</th>' in page
    assert '<span class="state stop">spam</span>' in page and '<span class="state good">inbox</span>' in page


def test_an_admin_resumes_a_list_with_a_reason(here: House, desk: Desk) -> None:
    record("list.complaints_stopped", here.organization, now=NOW, about=here.sent.list_id, detail={"last": 0})
    report, press = _to(here, "report", here.sent.pk), _to(here, "resume-list", here.sent.pk)
    page = desk("editor").get(report).content.decode()
    assert "Reported as spam too often" in page and "Resume this list" not in page
    assert desk("editor").post(press, {"reason": "I want to"}).status_code == 403
    assert "Resume this list" in desk("admin").get(report).content.decode()
    assert "Enter why" in desk("admin").post(press, {"reason": " "}, follow=True).content.decode()
    done = desk("admin").post(press, {"reason": "An old import."}, follow=True).content.decode()
    assert "Emails are sent to this list again." in done and "Reported as spam too often" not in done
    event = Event.objects.get(kind="list.complaints_resumed")
    assert event.by == here.people["admin"] and detail_of(event)["why"] == "An old import."


def test_the_page_of_who_complained_says_so_beside_the_unsubscription(here: House, desk: Desk) -> None:
    actions.unsubscribe_from_all(here.ada, now=NOW, way="mail", reason="complaint")
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "They, or their mailbox provider, marked an email as spam." in page
    assert "Reported by the mailbox provider." in page and "By email." not in page


def complained(here: House, *, is_proven: bool) -> str:
    """Ada's page, after a report that she marked a campaign as spam."""
    edition = here.sent.edition
    facts = {"state": State.ACCEPTED, "answer": 0, "route": here.route, "day": NOW.date()}
    Delivery.objects.update_or_create(edition_id=edition.pk, number=here.ada.number, defaults=facts)
    message = SentMessage(edition, here.list.pk, here.ada)
    report = follow_up.ReadReport(7, 0, ReportEvent("complaint"), "ARF", message, is_proven)
    follow_up.write(here.organization, [report], NOW)
    page = signed_in(here.people["editor"]).get(_to(here, "subscriber", here.ada.number)).content.decode()
    return " ".join(page.split())


def test_the_page_of_who_complained_says_when_about_what_and_by_which_route(here: House) -> None:
    page = complained(here, is_proven=True)
    assert "Suppressed on 25 November 2026: they, or their mailbox provider, marked an email as spam." in page
    assert f'Campaign: <a href="{_to(here, "report", here.sent.pk)}">' in page and here.route.name in page
    assert "Many complaints make providers move your emails to spam" in page
    assert "Nothing proves that a provider wrote this report" not in page


def test_a_complaint_that_nothing_proves_is_said_to_be_so(here: House) -> None:
    assert "Nothing proves that a provider wrote this report" in complained(here, is_proven=False)


def test_of_a_complaint_that_a_file_brought_no_day_is_said(here: House, desk: Desk) -> None:
    actions.suppress(here.organization, "complaint", subscriber=here.ada, now=NOW)
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "Suppressed: they, or their mailbox provider, marked an email as spam." in page
    assert "Campaign:" not in page
