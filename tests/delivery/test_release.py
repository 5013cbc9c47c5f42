"""Release, schedules, and what stands in the database's own rules."""

import math
import threading
from binascii import a2b_qp
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import translation
from msgspec.structs import replace

from samizdat.accounts import forged_rows, settings_note
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.actions import archive_lists
from samizdat.audience.models import Subscriber
from samizdat.campaigns import calendar, translations
from samizdat.campaigns import content as letters
from samizdat.campaigns.actions import create
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.counted_links import UrlCodes
from samizdat.campaigns.drafts import comments
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.queries import sends_now
from samizdat.campaigns.templates import import_template
from samizdat.core.mail.ledger import JournalNews, unpack_numbers
from samizdat.delivery import campaign_checks, queries
from samizdat.delivery.actions import (
    cancel,
    digest_rounds,
    finish_if_done,
    pause,
    release,
    releasing,
    resume,
    retry_due,
    running,
    start_due,
    take_back,
    unrelease,
)
from samizdat.delivery.actions.due import finish_cancelled, in_turns, next_due
from samizdat.delivery.actions.releasing import ReleaseWave
from samizdat.delivery.engine import claimer
from samizdat.delivery.engine.claimer import Claimer
from samizdat.delivery.engine.edition_loader import open_edition
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.engine.sender_context import SenderContext
from samizdat.delivery.errors import BeingReleased, NobodyToWrite, NotReleasable, SendingLocked, WrongState
from samizdat.delivery.models import Chunk, Delivery, Route
from samizdat.events.models import Event
from samizdat.vault.keyring import OrganizationKeys
from tests.delivery.conftest import House, killed

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_a_released_letter_says_the_fields_that_it_was_released_with(house: House) -> None:
    """Also where no field had the merge tag yet, as before the first import of names."""
    audience.change_field(house.organization, house.field, tag="CITY", label="", default="", now=NOW)
    house.people(1)
    letter = release(
        house.draft("From *|CITY|*, *|FNAME|*: [out]({{ unsubscribe }})"), now=NOW, at=NOW + timedelta(days=1)
    )
    audience.change_field(house.organization, house.field, tag="FNAME", label="", default="", now=NOW)
    audience.add_field(house.organization, "CITY", "", now=NOW)
    loaded = open_edition(letter.edition.pk)
    row = Subscriber.objects.get(organization=house.organization)
    [recipient] = loaded.letterer.address([(row.number, loaded.opener.open(bytes(row.sealed), row.number))])
    assert recipient.values["CITY"] == f"Reader {row.number}" and "FNAME" not in recipient.values


def test_release_freezes_exactly_those_who_may_be_written_to(house: House) -> None:
    from samizdat.audience.models import Suppression
    from tests.conftest import TODAY

    addresses = house.people(1201)
    house.leave(addresses[0])
    Suppression.objects.create(
        organization=house.organization, email_index=house.keys.blind(addresses[1]), reason="manual", day=TODAY
    )
    campaign = house.released()
    assert (campaign.frozen, campaign.pending, campaign.state) == (1199, 1199, "sending")
    chunks = list(Chunk.objects.order_by("position"))
    assert [chunk.size for chunk in chunks] == [500, 500, 199]
    owed = [number for chunk in chunks for number in unpack_numbers(bytes(chunk.numbers))]
    assert owed == [house.number(address) for address in addresses[2:]]
    assert Event.objects.filter(kind="campaign.released", about=campaign.pk).count() == 1
    assert queries.recount(campaign) == queries.report(campaign).books


def test_a_release_opens_what_its_campaign_is_made_of_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened at the door is what is checked, approved and compiled; only the edition is looked at again."""
    house.people(2)
    campaign, opened = house.draft(), Counter[tuple[str, str, int]]()
    campaign.template = import_template.take_in(
        house.organization, "Ours", b"<div><p>*|MC:SUBJECT|*</p><p>*|UNSUB|*</p></div>", by=None, now=NOW
    ).template
    campaign.save()
    for language in ("ru", "de"):
        translations.add(campaign, language, by=None, now=NOW)
    genuine = OrganizationKeys.open

    def counting(keys: OrganizationKeys, blob: bytes, table: str, column: str, number: int) -> bytes:
        opened[table, column, number] += 1
        return genuine(keys, blob, table, column, number)

    monkeypatch.setattr(OrganizationKeys, "open", counting)
    release(campaign, now=NOW)
    assert opened["template", "source", campaign.template.pk] == 1
    assert {record[0] for record, times in opened.items() if times > 1} == {"edition"}


def test_nothing_is_released_to_a_list_that_was_archived_meanwhile(house: House) -> None:
    house.people(2)
    archive_lists.archive(house.list, now=NOW)
    with pytest.raises(NotReleasable, match="is archived"):
        house.released()
    archive_lists.bring_back(house.list, now=NOW)
    assert house.released().state == "sending"


@pytest.mark.parametrize(
    ("settings", "sender", "goes"),
    [
        ({}, "thief@evil.example", False),
        ({}, "news@lantern.example", True),
        ({}, "news@letters.lantern.example", True),
        ({"public_url": "https://letters.lantern.example"}, "news@lantern.example", True),
        ({"public_url": "https://letters.lantern.example"}, "thief@evil-lantern.example", False),
        ({"return_address": "back@lantern.example"}, "news@elsewhere.example", True),
    ],
)
def test_bounces_come_back_to_an_address_that_admins_set_or_the_letter_does_not_go(
    house: House, settings: dict[str, str], sender: str, goes: bool
) -> None:
    """They name readers, and whoever writes a letter writes its From."""
    change_settings(house.organization, by=None, now=NOW, **settings)
    house.people(1)
    draft = replace(draft_of(house.draft()), from_email=sender)
    campaign = create(house.organization, house.list, draft, by=None, now=NOW)
    found = [finding.code for finding in campaign_checks.look(campaign, NOW).findings if finding.severity == "stop"]
    assert ("bounces_elsewhere" in found) is not goes
    if goes:
        assert release(campaign, now=NOW).frozen == 1
    else:
        with pytest.raises(NotReleasable, match=r"they would go to .*evil.*outside your own domains"):
            release(campaign, now=NOW)


@pytest.mark.parametrize("name", ["URGENT: confirm at evil.example", "letter@lantern.example", "Lantern\u200b"])
def test_no_letter_goes_out_whose_senders_name_is_an_address(house: House, name: str) -> None:
    """Mails that ask to confirm a sign-up come from it afterwards, to anybody."""
    house.people(1)
    draft = replace(draft_of(house.draft()), from_name=name)
    campaign = create(house.organization, house.list, draft, by=None, now=NOW)
    found = [finding.code for finding in campaign_checks.look(campaign, NOW).findings if finding.severity == "stop"]
    assert "name_link" in found
    with pytest.raises(CampaignError, match="The sender name contains an address"):
        release(campaign, now=NOW)


ALTERED = [
    {"public_url": "https://evil.example"},
    {"desk_url": "https://evil.example"},
    {"unsubscribe_mailbox": "leave@evil.example"},
    {"settings_sealed": b""},
]


@pytest.mark.parametrize("written", ALTERED, ids=lambda written: next(iter(written)))
def test_nothing_is_released_while_settings_stand_in_the_database_that_nobody_saved(
    house: House, written: dict[str, Any]
) -> None:
    house.people(1)
    campaign = house.draft()
    settings_note.forget()  # On another machine, say.
    Organization.objects.update(**written)
    with pytest.raises(CampaignError, match="Check and save them there"):
        release(Campaign.objects.get(pk=campaign.pk), now=NOW)
    assert not Edition.objects.exists()
    if "settings_sealed" not in written:
        forged_rows.watch(NOW)  # Puts them back.
        assert release(Campaign.objects.get(pk=campaign.pk), now=NOW).frozen == 1


def test_a_letter_leads_to_the_address_that_was_saved_whatever_the_row_says(house: House) -> None:
    draft = house.draft('<p>*|FNAME|* <a href="https://far.example/">news</a></p>', format="html", links="counted")
    Organization.objects.update(public_url="https://evil.example")
    campaign = Campaign.objects.get(pk=draft.pk)
    proof = letters.compile_version(open_campaign(campaign).versions[0], NOW, "abc", UrlCodes(house.keys.link, 1))
    assert proof.compiled is not None and proof.counted
    whole = a2b_qp(b"".join(proof.compiled.parts))
    assert b"evil" not in whole and b"https://lantern.example/l/" in whole and b"https://lantern.example/a/" in whole


def test_a_release_leaves_out_who_has_paused(house: House) -> None:
    from samizdat.audience.models import Subscription
    from samizdat.core import consent

    house.people(3)
    paused = Subscription.objects.order_by("subscriber_id").first()
    Subscription.objects.filter(pk=paused.pk).update(mail_verdict=consent.PAUSED)
    assert house.released().frozen == 2


def test_a_tag_narrows_whom_it_goes_to(house: House) -> None:
    from samizdat.audience.models import SubscriberTag, Tag, row_id

    addresses = house.people(10)
    tag = Tag.objects.create(organization=house.organization, name_sealed=b"", name_index=bytes(16))
    for address in addresses[:3]:
        SubscriberTag.objects.create(subscriber_id=row_id(house.organization.id, house.number(address)), tag=tag)
    campaign = house.draft()
    Campaign.objects.filter(pk=campaign.pk).update(tag=tag)
    assert release(campaign, now=NOW).frozen == 3


def test_a_list_of_nobody_is_refused_and_stays_a_draft(house: House) -> None:
    campaign = house.draft()
    with pytest.raises(NobodyToWrite, match="Nobody on this list"):
        release(campaign, now=NOW)
    campaign.refresh_from_db()
    assert campaign.state == "draft"


def test_nothing_is_released_twice(house: House) -> None:
    house.people(2)
    campaign = house.released()
    with pytest.raises(NotReleasable, match="already"):
        release(campaign, now=NOW)
    assert Edition.objects.count() == 1


def test_a_fenced_house_releases_nothing(house: House) -> None:
    house.people(2)
    house.organization.sending_locked = True
    house.organization.save()
    with pytest.raises(SendingLocked, match="samizdat release"):
        release(house.draft(), now=NOW)


def test_a_release_killed_half_way_leaves_nothing_sendable_and_the_next_begins_afresh(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.delivery import sql as delivery_sql
    from samizdat.delivery.actions import releasing

    house.people(20)
    campaign = house.draft()

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "_make_sendable", killed)
        with pytest.raises(KeyboardInterrupt):
            release(campaign, now=NOW)
    half = Edition.objects.get()
    assert Chunk.objects.filter(edition=half).exists()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.frozen) == ("draft", 0)
    assert delivery_sql.claim_chunks(half.pk, 1, NOW) == []
    assert release(campaign, now=NOW).frozen == 20
    assert Edition.objects.count() == 1 and Chunk.objects.count() == 1


def beside(act: Callable[[], Any]) -> list[BaseException]:
    """Does it as another process would, on a database session of its own; what it ran into."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            act()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    return errors


def test_of_two_who_press_send_at_once_the_second_is_told_so_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.people(20)
    campaign = house.draft()
    genuine, told = releasing.owe, []

    def meanwhile(*arguments: Any) -> int:
        monkeypatch.setattr(releasing, "owe", genuine)
        count = genuine(*arguments)
        told.extend(beside(lambda: release(Campaign.objects.get(pk=campaign.pk), now=NOW)))
        return count

    monkeypatch.setattr(releasing, "owe", meanwhile)
    assert release(campaign, now=NOW).frozen == 20
    assert [type(error) for error in told] == [BeingReleased]
    assert Chunk.objects.get().size == 20 and Edition.objects.count() == 1


def test_while_a_letter_is_taken_back_nobody_releases_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.people(20)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    genuine, told = unrelease.clear_half_made, []

    def meanwhile(*arguments: Any) -> None:
        told.extend(beside(lambda: release(Campaign.objects.get(pk=campaign.pk), now=NOW)))
        genuine(*arguments)

    monkeypatch.setattr(unrelease, "clear_half_made", meanwhile)
    take_back(campaign, now=NOW)
    assert [type(error) for error in told] == [BeingReleased]
    assert campaign.state == "draft" and not Chunk.objects.exists()


def test_a_release_killed_half_way_sets_nobody_aside_for_two_copies(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.audience.models import Subscription

    house.people(3)
    gathers = Subscription.objects.order_by("subscriber_id").first()
    Subscription.objects.filter(pk=gathers.pk).update(frequency=2)
    campaign = house.draft()

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "_make_sendable", killed)
        with pytest.raises(KeyboardInterrupt):
            release(campaign, now=NOW, hold_minutes=5)
    release(campaign, now=NOW, hold_minutes=5)
    aside = [number for page in digest_rounds.numbers_of(campaign) for number in page]
    assert len(aside) == 1


def test_what_is_on_its_way_at_this_moment_is_not_taken_back(house: House) -> None:
    from samizdat.delivery import sql as delivery_sql
    from samizdat.delivery.models import Worker

    house.people(3)
    campaign = house.released()
    worker = Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="x", started=NOW)
    ((chunk, *_),) = delivery_sql.claim_chunks(campaign.edition.pk, worker.pk, NOW)
    pause(campaign, now=NOW)
    with pytest.raises(WrongState, match="Sending has already started"):
        take_back(campaign, now=NOW)
    delivery_sql.close_chunks([chunk], worker.pk)
    assert take_back(campaign, now=NOW).state == "draft"


def test_a_campaign_is_not_finished_while_somebody_has_a_chunk_of_it_or_a_try_is_ahead(house: House) -> None:
    house.people(2)
    campaign = house.released()
    edition, chunk = campaign.edition.pk, Chunk.objects.get()
    first, second = unpack_numbers(bytes(chunk.numbers))
    write(
        [
            SendResult(edition, chunk.pk, first, JournalNews.ACCEPTED),
            SendResult(edition, chunk.pk, second, JournalNews.UNSURE),
        ],
        NOW,
    )
    campaign.refresh_from_db()
    assert (campaign.pending, campaign.deferred, campaign.unsure) == (0, 0, 1)
    assert not finish_if_done(campaign.pk, NOW), "the doubtful one is to be sent again"
    assert retry_due(NOW) == 1
    again = Chunk.objects.get(retry=True)
    Chunk.objects.filter(pk=again.pk).update(state=Chunk.CLAIMED)
    write([SendResult(edition, again.pk, second, JournalNews.ACCEPTED, retry=True)], NOW)
    assert not finish_if_done(campaign.pk, NOW), "a sender still holds a chunk"
    Chunk.objects.filter(pk=again.pk).update(state=Chunk.DONE)
    assert finish_if_done(campaign.pk, NOW)


def test_a_letter_changed_during_its_release_does_not_go_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.delivery.actions import releasing

    house.people(3)
    campaign = house.draft()
    genuine = releasing.owe

    def meanwhile(*arguments: Any) -> int:
        Campaign.objects.filter(pk=campaign.pk).update(version=campaign.version + 1)
        return genuine(*arguments)

    monkeypatch.setattr(releasing, "owe", meanwhile)
    with pytest.raises(NotReleasable, match="changed"):
        release(campaign, now=NOW)
    campaign.refresh_from_db()
    assert campaign.state == "draft"


def test_a_held_letter_begins_when_its_time_is_over(house: House) -> None:
    house.people(3)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    assert (campaign.state, campaign.not_before) == ("held", NOW + timedelta(minutes=5))
    assert start_due(NOW + timedelta(minutes=4)) == 0
    assert start_due(NOW + timedelta(minutes=5)) == 1
    campaign.refresh_from_db()
    assert campaign.state == "sending"


def test_a_sender_at_rest_knows_when_the_next_campaign_or_route_is_due(house: House) -> None:
    minutes = timedelta(minutes=1)
    house.people(3)
    assert next_due(NOW) is None
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    assert next_due(NOW) == NOW + 5 * minutes
    until = NOW + 2 * minutes
    route = Route.objects.create(organization=house.organization, state="throttled", until=until, changed=NOW)
    assert next_due(NOW) == until
    late = NOW + 6 * minutes
    assert late < next_due(late) < late + minutes, "what could not be begun is tried again"
    route.delete()
    start_due(late)
    assert next_due(late) is None
    campaign.refresh_from_db()
    assert campaign.state == "sending"


def test_a_sender_at_rest_looks_when_something_is_due_though_nobody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [NOW], []
    claimer = Claimer(SenderContext(threading.Event(), lambda: now[0], lambda _edition: True), bool, lambda _lane: None)
    monkeypatch.setattr(claimer, "_tick", lambda: looks.append(now[0]))
    monkeypatch.setattr(claimer._changes, "has_news", lambda: False)
    claimer.at_work, claimer._due = False, NOW + timedelta(minutes=5)
    for minute in (0, 4, 5):
        now[0], claimer._next_tick = NOW + timedelta(minutes=minute), 0.0
        claimer._work()
    assert looks == [NOW + timedelta(minutes=5)]


@pytest.mark.parametrize(("late", "state", "reason"), [(59, "sending", ""), (61, "paused", "late")])
def test_a_schedule_more_than_an_hour_late_asks_a_person(house: House, late: int, state: str, reason: str) -> None:
    house.people(3)
    at = NOW + timedelta(days=1)
    campaign = release(house.draft(), now=NOW, at=at)
    assert (campaign.state, campaign.not_before) == ("scheduled", at)
    start_due(at + timedelta(minutes=late))
    campaign.refresh_from_db()
    assert (campaign.state, campaign.reason) == (state, reason)


def test_a_restored_copy_begins_no_schedule_and_tries_nobody_again(house: House) -> None:
    house.people(3)
    tried = house.released()
    chunk = Chunk.objects.get()
    first = unpack_numbers(bytes(chunk.numbers))[0]
    write([SendResult(tried.edition.pk, chunk.pk, first, JournalNews.DEFERRED)], NOW)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    house.organization.sending_locked = True
    house.organization.save()
    assert start_due(NOW + timedelta(minutes=6)) == 0 == retry_due(NOW + timedelta(minutes=6))
    campaign.refresh_from_db()
    assert campaign.state == "held" and not Chunk.objects.filter(retry=True).exists()


def test_who_is_being_tried_again_is_in_no_second_chunk(house: House) -> None:
    house.people(2)
    edition, chunk = house.released().edition.pk, Chunk.objects.get()
    first, second = unpack_numbers(bytes(chunk.numbers))
    write([SendResult(edition, chunk.pk, first, JournalNews.DEFERRED)], NOW)
    write([SendResult(edition, chunk.pk, second, JournalNews.DEFERRED)], NOW + timedelta(minutes=3))
    assert retry_due(NOW + timedelta(minutes=6)) == 1, "of the other it is too early"
    assert retry_due(NOW + timedelta(minutes=9)) == 1
    chunks = Chunk.objects.filter(retry=True).order_by("pk")
    assert [unpack_numbers(bytes(one.numbers)) for one in chunks] == [(first,), (second,)]


def test_what_a_sender_has_just_claimed_is_not_booked_as_cancelled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.people(3)
    campaign = house.released()
    genuine = running._cancel_chunk

    def meanwhile(edition: Edition, chunk: Chunk, now: datetime) -> int:
        Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.CLAIMED)
        return genuine(edition, chunk, now)

    monkeypatch.setattr(running, "_cancel_chunk", meanwhile)
    cancel(campaign, now=NOW)
    assert Chunk.objects.get().state == Chunk.CLAIMED
    assert (campaign.pending, campaign.cancelled) == (3, 0)


def test_a_paused_schedule_goes_back_to_its_schedule(house: House) -> None:
    house.people(3)
    campaign = release(house.draft(), now=NOW, at=NOW + timedelta(hours=2))
    pause(campaign, now=NOW)
    assert resume(campaign, now=NOW + timedelta(hours=1)).state == "scheduled"
    pause(campaign, now=NOW)
    assert resume(campaign, now=NOW + timedelta(hours=3)).state == "sending"
    with pytest.raises(WrongState, match="This campaign is being sent"):
        resume(campaign, now=NOW)


def test_a_refusal_names_the_state_in_the_language_of_whoever_asks(house: House) -> None:
    house.people(3)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    with translation.override("ru"), pytest.raises(WrongState, match="Состояние рассылки: время на отмену"):
        resume(campaign, now=NOW)


def test_taken_back_it_is_the_draft_that_it_was(house: House) -> None:
    house.people(3)
    campaign, by = house.draft(), None
    translations.add(campaign, "ru", by=by, now=NOW)
    comments.say(campaign, comments.CommentText("Is it *all*?"), by=by, now=NOW)
    calendar.plan(campaign, NOW.date() + timedelta(days=1), by=by, now=NOW)
    share_links.share(campaign, "For Ada", now=NOW, by=by)
    before = {**Campaign.objects.filter(pk=campaign.pk).values().get(), "changed": None}
    for how in (
        {"hold_minutes": 5},
        {"at": NOW + timedelta(hours=2), "wave": ReleaseWave(50), "quiet": "22:00-07:00"},
        {},
    ):
        release(campaign, now=NOW, **how)
        if campaign.state == "sending":
            with pytest.raises(WrongState, match="Sending has already started"):
                take_back(campaign, now=NOW)
            pause(campaign, now=NOW)
            # One who left since is no reason to keep it: nobody got it.
            chunk = Chunk.objects.get()
            gone = unpack_numbers(bytes(chunk.numbers))[0]
            write([SendResult(campaign.edition.pk, chunk.pk, gone, JournalNews.SUPPRESSED)], NOW)
        take_back(campaign, now=NOW)
        assert {**Campaign.objects.filter(pk=campaign.pk).values().get(), "changed": None} == before
        assert not Chunk.objects.exists() and not Edition.objects.exists() and not Delivery.objects.exists()
    assert [view.words.text for view in comments.comments(campaign)] == ["Is it *all*?"]
    assert [link.note for link in share_links.links(campaign, NOW)] == ["For Ada"]
    assert [one.state for one in translations.versions(campaign)] == ["draft"]
    assert release(campaign, now=NOW).frozen == 3


def test_one_that_anybody_got_is_not_taken_back_and_its_first_answer_is_an_event(house: House) -> None:
    house.people(3)
    campaign = house.released()
    chunk = Chunk.objects.get()
    for number in unpack_numbers(bytes(chunk.numbers))[:2]:
        write([SendResult(campaign.edition.pk, chunk.pk, number, JournalNews.ACCEPTED)], NOW)
    assert Event.objects.filter(kind="campaign.first_sent", about=campaign.pk).count() == 1
    pause(campaign, now=NOW)
    with pytest.raises(WrongState, match="Sending has already started"):
        take_back(campaign, now=NOW)


def test_cancelling_before_anything_was_sent_books_everybody_at_once(house: House) -> None:
    house.people(700)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    cancel(campaign, now=NOW)
    assert (campaign.state, campaign.cancelled, campaign.pending) == ("cancelled", 700, 0)
    assert queries.recount(campaign) == queries.report(campaign).books
    assert start_due(NOW + timedelta(minutes=10)) == 0
    with pytest.raises(WrongState):
        cancel(campaign, now=NOW)


def test_a_large_cancelled_campaign_is_booked_in_portions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever presses the button as well as by the thread that feeds every organization."""
    house.people(1700)
    campaign = release(house.draft(), now=NOW, hold_minutes=5)
    cancel(campaign, now=NOW, seconds=0)
    assert (campaign.state, campaign.cancelled, campaign.pending) == ("cancelled", 500, 1200)
    monkeypatch.setattr(claimer, "ASIDE", 0)
    feeding = Claimer(SenderContext(threading.Event(), lambda: NOW, lambda _edition: True), bool, lambda _lane: None)
    for name in ("_look_at_clock", "_settle", "_look_at_intake", "_look_at_campaigns"):
        monkeypatch.setattr(feeding, name, lambda *_: None)
    monkeypatch.setattr(feeding._sender, "recorder", SimpleNamespace(alive=True), raising=False)
    feeding._tick()
    campaign.refresh_from_db()
    assert campaign.cancelled == 1000 and feeding._booking, "it goes on at the next look"
    assert finish_cancelled(NOW)
    campaign.refresh_from_db()
    assert (campaign.cancelled, campaign.pending) == (1700, 0)
    assert queries.recount(campaign) == queries.report(campaign).books


def test_many_second_tries_are_put_into_chunks_in_portions(house: House) -> None:
    house.people(1200)
    edition = house.released().edition.pk
    for chunk in Chunk.objects.order_by("pk"):
        numbers = unpack_numbers(bytes(chunk.numbers))
        write([SendResult(edition, chunk.pk, number, JournalNews.DEFERRED) for number in numbers], NOW)
    later = NOW + timedelta(days=1)
    assert [retry_due(later, 0), retry_due(later, 0), retry_due(later)] == [500, 500, 200]


def test_one_organization_with_much_to_do_keeps_no_other_waiting() -> None:
    order = []

    def work(name: str, portions: int) -> Iterator[int]:
        for _ in range(portions):
            order.append(name)
            yield 1

    assert in_turns([(1, work("many", 50)), (1, work("many", 50)), (2, work("few", 1))], math.inf) == (101, True)
    assert order.index("few") < 2


@pytest.mark.parametrize("owed", ["pending", "deferred"])
def test_the_database_itself_refuses_to_finish_with_anything_owed(house: House, owed: str) -> None:
    house.people(3)
    campaign = house.released()
    Campaign.objects.filter(pk=campaign.pk).update(**{"pending": 0, owed: 3})
    assert not finish_if_done(campaign.pk, NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(state="finished")


def test_the_database_itself_refuses_books_that_do_not_add_up(house: House) -> None:
    house.people(3)
    campaign = house.released()
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(accepted=1)


def test_a_claim_finds_its_chunk_by_the_index_made_for_it(house: House) -> None:
    from samizdat.delivery import sql as delivery_sql

    house.people(1)
    edition = house.released().edition
    # On PostgreSQL a small table is read whole whatever index there is, and where every third chunk is ready, reading
    # in order of id costs as little as the index.
    Chunk.objects.bulk_create(
        Chunk(edition=edition, position=place, size=1, remaining=1, numbers=bytes(4000), state=0 if place > 2990 else 2)
        for place in range(1, 3000)
    )
    sql = delivery_sql.claim_sql()
    arguments = [None, None, edition.pk, None, 2, edition.pk]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("EXPLAIN QUERY PLAN " + sql, arguments)
            plan = [row[3] for row in cursor.fetchall()]
            assert any("chunk_ready" in line for line in plan), plan
            assert not any("TEMP B-TREE" in line for line in plan), plan
        else:
            # Vacuumed, as what earlier tests left behind counts as pages; and no statistics are the same twice.
            cursor.execute("VACUUM ANALYZE delivery_chunk")
            cursor.execute("SET enable_seqscan = off")
            cursor.execute("EXPLAIN " + sql, arguments)
            plan = [row[0] for row in cursor.fetchall()]
            cursor.execute("RESET enable_seqscan")
            assert any("chunk_ready" in line for line in plan), plan
            assert not any("Sort" in line for line in plan), plan


def test_two_senders_never_claim_the_same_chunk(house: House) -> None:
    from samizdat.delivery import sql as delivery_sql
    from samizdat.delivery.models import Worker

    house.people(1600)
    edition = house.released().edition
    workers = [Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="x", started=NOW) for _ in range(2)]
    claimed = [delivery_sql.claim_chunks(edition.pk, workers[place % 2].pk, NOW, 1 + place % 2) for place in range(4)]
    assert [len(some) for some in claimed] == [1, 2, 1, 0]
    numbers = [chunk[0] for some in claimed for chunk in some]
    assert numbers == sorted(set(numbers)) and len(numbers) == Chunk.objects.filter(edition=edition).count()
    delivery_sql.close_chunks([numbers[0]], workers[1].pk)  # Not the owner: nothing happens.
    assert Chunk.objects.get(pk=numbers[0]).worker_id == workers[0].pk


def test_a_campaign_is_being_sent_as_long_as_somebody_has_yet_to_get_it(house: House) -> None:
    house.people(2)
    assert not sends_now()
    campaign = house.released()
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", reason="")
    assert sends_now()
    # As a welcome email is, for months.
    Campaign.objects.filter(pk=campaign.pk).update(pending=0, accepted=2)
    assert not sends_now()
