"""Once more to those whom a letter did not reach, and to nobody else."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from samizdat import dbclock
from samizdat.audience.models import ListTotal
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import folders
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import import_template
from samizdat.campaigns.templates.layout_store import arrangement_of, sealed
from samizdat.core.content.templates.layout import LayoutChanges, WrittenRegion
from samizdat.core.mail import outcome
from samizdat.core.mail.ledger import State
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.actions import cancel, release, releasing, resend, running, settle
from samizdat.delivery.actions.resend_unreached import unreached
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import NobodyToWrite, WrongState
from samizdat.delivery.models import Delivery
from samizdat.delivery.queries import in_doubt, left_in_doubt, recount, report
from samizdat.delivery.recipients_breakdown import whom
from tests.delivery.conftest import House, killed
from tests.smtp_server import ScriptedServer


def _move(campaign: Campaign, numbers: list[int], state: State, answer: str) -> None:
    """These of its accepted ones got another answer: rows and books alike."""
    rows = Delivery.objects.filter(edition=campaign.edition, number__in=numbers)
    assert rows.update(state=state, answer=outcome.NUMBERS[answer]) == len(numbers)
    name = state.name.lower()
    campaign.refresh_from_db()
    books = {"accepted": campaign.accepted - len(numbers), name: getattr(campaign, name) + len(numbers)}
    Campaign.objects.filter(pk=campaign.pk).update(**books)


@pytest.fixture
def sent(house: House, server: ScriptedServer) -> Campaign:
    """A letter to ten: two refused on the way, one by the reader's own server, one unsure."""
    house.people(10)
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    first = house.number("reader1001@mail0.example")
    _move(campaign, [first, first + 1], State.REFUSED, "expired")
    _move(campaign, [first + 2], State.REFUSED, "no_such_mailbox")
    _move(campaign, [first + 3], State.UNSURE, "unsure")
    campaign.refresh_from_db()
    server.messages.clear()
    return campaign


def test_exactly_those_get_it_again_if_they_still_agree(sent: Campaign, house: House, server: ScriptedServer) -> None:
    assert unreached(sent) == {"refused": 2, "unsure": 1}
    house.leave("reader1001@mail0.example")
    for status, count in ((1, 9), (2, 1)):
        assert ListTotal.objects.filter(list=house.list, status=status).update(count=count)
    again = resend(sent, now=dbclock.now())
    assert resend(sent, now=dbclock.now()).pk == again.pk  # One draft, however often it is pressed.
    told = whom(again, dbclock.now())
    assert told.known - sum(told.without.values()) == told.may == 2 and told.without["reached"] == 7
    assert release(again, now=dbclock.now()).frozen == 2
    assert run_campaign(again.pk, 120)["ended"] == "finished"
    assert sorted(server.counts()) == ["reader1002@mail1.example", "reader1004@mail3.example"]


def test_it_has_the_template_its_places_and_the_folder_of_the_first_letter(sent: Campaign, house: House) -> None:
    now = dbclock.now()
    page = b"<table><tr><td mc:edit='head'>Head</td></tr><tr><td mc:edit='body'>The body of it</td></tr></table>"
    sent.template = import_template.take_in(house.organization, "Old one", page, by=None, now=now).template
    sent.places_sealed = sealed(sent, LayoutChanges(texts={"head": WrittenRegion("<b>Ours</b>")}))
    sent.folder_id = folders.add(house.organization, "Appeals", by=None, now=now).pk
    sent.save()
    again = Campaign.objects.get(pk=resend(sent, now=now).pk)
    assert (again.template_id, again.folder_id) == (sent.template_id, sent.folder_id)
    assert arrangement_of(again) == arrangement_of(sent) != LayoutChanges()


def test_nobody_gets_it_a_third_time_from_the_first_letter(sent: Campaign) -> None:
    again = release(resend(sent, now=dbclock.now()), now=dbclock.now())
    with pytest.raises(WrongState, match="already"):
        resend(sent, now=dbclock.now())
    copied = copy(again, by=None, now=dbclock.now())
    assert copied.resend_of == sent
    with pytest.raises(WrongState, match="already"):
        release(copied, now=dbclock.now())
    with pytest.raises(WrongState):
        settle(sent, "resend", now=dbclock.now())
    cancel(again, now=dbclock.now())  # Taken back before anybody got it: then it may go once more.
    assert release(copied, now=dbclock.now()).frozen == 3


def test_of_two_letters_that_are_released_to_them_at_once_one_goes(
    sent: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = resend(sent, now=dbclock.now())
    other = copy(one, by=None, now=dbclock.now())

    def meanwhile(_edition: object) -> None:
        monkeypatch.undo()
        release(other, now=dbclock.now())

    monkeypatch.setattr(releasing.counted_links, "lay_out", meanwhile)
    with pytest.raises(WrongState, match="already"):
        release(one, now=dbclock.now())
    states = Campaign.objects.filter(resend_of=sent).order_by("pk").values_list("state", flat=True)
    assert [*states] == ["draft", "sending"]


def test_what_a_killed_process_has_settled_is_sent(sent: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        settle(sent, "resend", now=dbclock.now())
    sent.refresh_from_db()
    assert sent.state == "sending" and [doubt.again for doubt in in_doubt(sent)] == [True]


def test_its_audience_cannot_be_widened_and_one_on_its_way_waits(sent: Campaign, house: House) -> None:
    again = resend(sent, now=dbclock.now())
    other = campaigns.create(house.organization, house.list, draft_of(sent), by=None, now=dbclock.now()).list
    campaigns.save(again, draft_of(again), version=again.version, by=None, now=dbclock.now(), list=other, tag=None)
    assert Campaign.objects.get(pk=again.pk).resend_of == sent
    under_way = house.released()
    with pytest.raises(WrongState, match="still being sent"):
        resend(under_way, now=dbclock.now())
    Delivery.objects.filter(edition=sent.edition).delete()  # As after folding.
    Campaign.objects.filter(pk=again.pk).delete()
    with pytest.raises(NobodyToWrite):
        resend(sent, now=dbclock.now())


def test_one_in_doubt_is_settled_and_the_others_stay(sent: Campaign, house: House, server: ScriptedServer) -> None:
    first = house.number("reader1001@mail0.example")
    _move(sent, [first + 4, first + 5], State.UNSURE, "unsure")
    with pytest.raises(WrongState, match=str(first)):  # Refused on the way, not unsure: then none of them.
        settle(sent, "resend", numbers=[first, first + 3], now=dbclock.now())
    assert [doubt.again for doubt in in_doubt(sent)] == [False] * 3
    assert settle(sent, "resend", numbers=[first + 3, first + 4], now=dbclock.now()).state == "sending"
    settle(sent, "hold", numbers=[first + 4], now=dbclock.now())  # Thought better of it.
    assert [(doubt.number - first, doubt.again) for doubt in in_doubt(sent, after=first)] == [
        (3, True),
        (4, False),
        (5, False),
    ]
    assert run_campaign(sent.pk, 120)["ended"] == "finished"
    sent.refresh_from_db()
    assert [*server.counts()] == ["reader1004@mail3.example"]
    assert (sent.unsure, sent.unsure_policy, left_in_doubt(sent.pk)) == (2, "resend", 2)
    assert recount(sent) == report(sent).books


@pytest.mark.once
@pytest.mark.parametrize("ask", [lambda: delivery_sql.unreached(1), lambda: delivery_sql.doubtful(1, 0, 50)])
def test_those_few_are_found_without_reading_all_that_was_accepted(ask: Callable[[], object], db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole")
    with CaptureQueriesContext(connection) as asked:
        ask()
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + asked[0]["sql"])
        assert "delivery_not_accepted" in str(cursor.fetchall())
