"""Whoever writes the database and has no keys has a letter sent to nobody whom it was not released to."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.db.models import F

from samizdat.accounts.actions import add_person, change_settings, give_role
from samizdat.audience.actions import change_values, fields_for, new_list, tags_for
from samizdat.audience.models import List, Subscriber, SubscriberTag, Subscription, row_id
from samizdat.campaigns import approval, edition_details, translations
from samizdat.campaigns.actions import save
from samizdat.campaigns.approval import AgreedPeople
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.opened import open_campaign
from samizdat.core import consent
from samizdat.core.mail.ledger import State, pack_numbers, unpack_numbers
from samizdat.delivery.actions import cancel, release, resend, second_person, start_due, take_back
from samizdat.delivery.actions.digests import make_due
from samizdat.delivery.engine import recovery
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, Delivery, DigestRecipients, Retry
from samizdat.events.models import Event
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House, run_until_still
from tests.delivery.test_wishes import wish
from tests.smtp_server import ScriptedServer

PAUSED = ("paused", "unreadable")


def now() -> datetime:
    return datetime.now(UTC)


def _to_two_of_six(house: House, server: ScriptedServer) -> tuple[Campaign, list[int]]:
    """A held letter, and the numbers of four whom it does not go to."""
    readers = house.people(6)
    house.route(server)
    for address in readers[2:]:
        house.leave(address)
    letter = house.released(hold_minutes=30)
    Subscription.objects.filter(list=house.list).update(status=1, mail_verdict=1)
    return letter, [house.number(address) for address in readers[2:]]


def _send_now(letter: Campaign, **columns: object) -> tuple[str, str]:
    Campaign.objects.filter(pk=letter.pk).update(not_before=now() - timedelta(minutes=1), **columns)
    start_due(now())
    run_until_still(letter.pk)
    letter.refresh_from_db()
    return letter.state, letter.reason


def _changed(letter: Campaign, numbers: list[int]) -> None:
    packed = pack_numbers(numbers)
    Chunk.objects.filter(edition__campaign=letter).update(numbers=packed, size=len(numbers), remaining=len(numbers))


def _added(letter: Campaign, numbers: list[int]) -> None:
    chunk = Chunk.objects.get(edition__campaign=letter)
    chunk.pk, chunk.position, chunk.numbers = None, 1, pack_numbers(numbers)
    chunk.save()


def _taken_from_another_letter(letter: Campaign, numbers: list[int]) -> None:
    """All six are in the chunk of another one."""
    other = release(copy(letter, by=None, now=now()), now=now(), hold_minutes=30)
    Chunk.objects.filter(edition__campaign=letter).delete()
    Chunk.objects.filter(edition__campaign=other).update(edition=letter.edition)


@pytest.mark.parametrize("alter", [_changed, _added, _taken_from_another_letter])
def test_nobody_gets_a_letter_because_they_were_written_into_its_chunks(
    house: House, server: ScriptedServer, alter: Callable[[Campaign, list[int]], None]
) -> None:
    letter, strangers = _to_two_of_six(house, server)
    alter(letter, strangers)
    frozen = sum(Chunk.objects.filter(edition=letter.edition).values_list("size", flat=True))
    assert _send_now(letter, frozen=frozen, pending=frozen) == PAUSED
    assert not {house.number(address) for address in server.counts()} & {*strangers}


def test_nobody_gets_a_letter_because_a_later_try_of_it_was_written_for_them(
    house: House, server: ScriptedServer
) -> None:
    letter, strangers = _to_two_of_six(house, server)
    for number in strangers:
        Retry.objects.create(edition=letter.edition, number=number, first=now(), due=now())
    assert _send_now(letter)[0] in ("sending", "finished")
    assert len(server.counts()) == 2
    assert not Retry.objects.exists()


def test_a_second_letter_to_those_not_reached_goes_to_nobody_whom_the_first_one_was_not_owed_to(
    house: House, server: ScriptedServer
) -> None:
    letter, strangers = _to_two_of_six(house, server)
    _send_now(letter)
    one = Delivery.objects.filter(edition=letter.edition)[0]
    Delivery.objects.bulk_create(
        Delivery(edition=letter.edition, number=number, state=State.UNSURE, answer=0, day=one.day)
        for number in strangers
    )
    Delivery.objects.filter(edition=letter.edition, number=one.number).update(state=State.UNSURE)
    Campaign.objects.filter(pk=letter.pk).update(state="finished", accepted=1, unsure=1)
    assert release(resend(letter, now=now()), now=now()).frozen == 1


@pytest.mark.parametrize("before", ["half made", "stopped", "taken back"])
def test_a_letter_that_was_not_released_or_is_so_no_more_does_not_go_because_its_rows_say_so(
    house: House, server: ScriptedServer, before: str
) -> None:
    house.people(2)
    house.route(server)
    letter = house.released(hold_minutes=30)
    rows = [*Edition.objects.filter(campaign=letter), *Chunk.objects.filter(edition__campaign=letter)]
    if before == "half made":  # As a release leaves it that was killed, or that the last look refused.
        Event.objects.filter(kind="campaign.released").delete()
    elif before == "stopped":
        cancel(letter, now=now())
        Delivery.objects.all().delete()
    else:
        take_back(letter, now=now())
        for row in rows[:1]:
            row.save(force_insert=True)
    Chunk.objects.all().delete()
    for row in rows[1:]:
        row.save(force_insert=True)
    assert _send_now(letter, state="held", reason="", frozen=2, pending=2, cancelled=0) == PAUSED
    assert not server.messages


def test_a_finished_letter_is_not_sent_once_more_because_its_deliveries_were_deleted(
    house: House, server: ScriptedServer
) -> None:
    house.people(2)
    house.route(server)
    letter = house.released()
    assert run_campaign(letter.pk, 120)["ended"] == "finished"
    Delivery.objects.all().delete()
    Chunk.objects.update(state=Chunk.READY, remaining=F("size"))
    Campaign.objects.filter(pk=letter.pk).update(state="sending", finished=None, accepted=0, pending=2)
    run_until_still(letter.pk)
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == PAUSED
    assert len(server.messages) == 2


@pytest.mark.parametrize("which", ["purpose", "list"])
def test_who_gets_a_letter_is_asked_of_what_was_released_whatever_its_row_says(
    house: House, server: ScriptedServer, which: str
) -> None:
    """They refuse appeals, or have left the list, after the release; by the columns they could be written to."""
    house.people(3)
    house.route(server)
    house.agree_to_appeals()
    letter = house.draft()
    Campaign.objects.filter(pk=letter.pk).update(purpose=consent.PURPOSES.index(consent.APPEALS))
    letter.refresh_from_db()
    letter = release(letter, now=now(), hold_minutes=30)
    if which == "purpose":
        Subscription.objects.update(fundraising_verdict=consent.REASONS.index("left"))
        columns: dict[str, object] = {"purpose": consent.PURPOSES.index(consent.LETTERS)}
    else:
        Subscription.objects.update(status=2, mail_verdict=3)
        other = new_list(house.organization, "Other", now=now())
        rows = Subscription.objects.filter(list=house.list)
        Subscription.objects.bulk_create(
            Subscription(
                subscriber=row.subscriber, list=other, status=1, mail_verdict=1, fundraising_verdict=1, since=row.since
            )
            for row in rows
        )
        columns = {"list": other}
    assert _send_now(letter, **columns)[0] == "finished"
    assert not server.messages


FOR_THE_BOARD = 'Dear readers.\n\n{% if tagged "Board" %}We meet at 7, ask for Pavel.{% endif %}\n'


def _tag(house: House, address: str) -> SubscriberTag:
    tag = tags_for(house.organization, ["Board"])["Board"]
    row = row_id(house.organization.id, house.number(address))
    return SubscriberTag.objects.create(subscriber_id=row, tag_id=tag)


def _who_reads_of_pavel(server: ScriptedServer) -> set[str]:
    return {one.recipient for one in server.messages if b"Pavel" in one.content}


def _wish(house: House, addresses: Iterable[str], often: str) -> None:
    """And the round of the digest ends, so that it counts."""
    for address in addresses:
        wish(house, address, often=often)
    List.objects.filter(id=house.list.id).update(digest_due=now())
    make_due(now())


def _cut_in_two(letter: Campaign) -> None:
    """As what a dead sender left is."""
    chunk = Chunk.objects.get(edition__campaign=letter)
    numbers = unpack_numbers(bytes(chunk.numbers))
    parts = [(place, pack_numbers(some)) for place, some in enumerate((numbers[2:], numbers[:2]))]
    seals = recovery._seals(chunk, *parts)
    Chunk.objects.update(numbers=parts[0][1], size=2, remaining=2, digest_sealed=seals[0])
    chunk.pk, chunk.position, chunk.size, chunk.remaining = None, 1, 2, 2
    chunk.numbers, chunk.digest_sealed = parts[1][1], seals[1]
    chunk.save()


@pytest.mark.parametrize("when", ["at first", "at a later try", "cut in two"])
def test_what_is_for_a_tag_is_read_by_those_who_carried_it_at_the_release(
    house: House, server: ScriptedServer, when: str
) -> None:
    board, mallory, *_others = readers = house.people(4)
    house.route(server)
    row = _tag(house, board)
    letter = release(house.draft(FOR_THE_BOARD), now=now(), hold_minutes=30)
    row.delete()
    _tag(house, mallory)
    if when == "at a later try":
        for address in (board, mallory):
            server.on("rcpt", "450 4.2.1 greylisted, come back", recipient=address, times=1)
    if when == "cut in two":
        _cut_in_two(letter)
    _send_now(letter)
    Retry.objects.update(due=now())
    run_campaign(letter.pk, 120)
    assert {*server.counts()} == {*readers}
    assert _who_reads_of_pavel(server) == {board}


def _join_team(house: House, address: str, team: str) -> None:
    fields_for(house.organization, {"TEAM": "Team"})
    row = row_id(house.organization.id, house.number(address))
    change_values(Subscriber.objects.get(id=row), {"TEAM": team}, now=now())


@pytest.mark.parametrize("when", ["at first", "at a later try", "in a digest's round"])
def test_what_somebody_approved_for_a_field_is_read_by_those_who_had_it_at_the_release(
    house: House, server: ScriptedServer, when: str
) -> None:
    change_settings(house.organization, by=None, now=now(), requires_approval=True)
    olga = add_person("olga@lantern.example", name="Olga", password=PASSWORD, today=TODAY)
    give_role(olga, house.organization, "admin", by=None, now=now())
    *_others, board, mallory = readers = house.people(4)
    house.route(server)
    _join_team(house, board, "board")
    letter = house.draft("Dear readers.\n\n*|IF:TEAM=board|*We meet at 7, ask for Pavel.*|ELSE:|*Bye.*|END:IF|*\n")
    if when == "in a digest's round":
        _wish(house, (board, mallory), "digest")
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 4, 2, by=olga, now=now())
    release(letter, now=now(), hold_minutes=30)
    _join_team(house, board, "")
    _join_team(house, mallory, "board")
    if when == "in a digest's round":
        assert DigestRecipients.objects.exists()
        _wish(house, (board, mallory), "all")
    if when == "at a later try":
        for address in (board, mallory):
            server.on("rcpt", "450 4.2.1 greylisted, come back", recipient=address, times=1)
    _send_now(letter)
    Retry.objects.update(due=now())
    run_campaign(letter.pk, 120)
    assert {*server.counts()} == {*readers}
    assert _who_reads_of_pavel(server) == {board}


@pytest.mark.parametrize("what", ["language", "tag"])
@pytest.mark.parametrize("when", ["once it is scheduled", "in the moment in which it is"])
def test_who_waits_for_a_digest_is_owed_the_version_and_the_passages_that_were_theirs_when_it_was_approved(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    change_settings(house.organization, by=None, now=now(), requires_approval=True)
    olga = add_person("olga@lantern.example", name="Olga", password=PASSWORD, today=TODAY)
    give_role(olga, house.organization, "admin", by=None, now=now())
    _always, board, mallory = readers = house.people(3)
    house.route(server)
    _wish(house, (board, mallory), "digest")
    _tag(house, board)
    Subscriber.objects.filter(id=row_id(house.organization.id, house.number(board))).update(language="uk")
    letter = house.draft(FOR_THE_BOARD if what == "tag" else "Dear readers.\n")
    if what == "language":
        other = translations.add(letter, "uk", by=None, now=now())
        written = draft_of(other).with_(body="We meet at 7, ask for Pavel.\n")
        save(other, written, version=other.version, by=None, now=now())
        letter = Campaign.objects.get(pk=letter.pk)

    def change() -> None:
        if what == "tag":
            _tag(house, mallory)
        else:
            Subscriber.objects.filter(id=row_id(house.organization.id, house.number(mallory))).update(language="uk")

    genuine = AgreedPeople.refuse_others

    def compared(agreed: AgreedPeople) -> None:
        genuine(agreed)
        change()

    if "moment" in when:
        monkeypatch.setattr(AgreedPeople, "refuse_others", compared)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 3, 2, by=olga, now=now())
    release(letter, now=now(), hold_minutes=30)
    if "once" in when:
        change()
    assert DigestRecipients.objects.exists()
    _wish(house, (board, mallory), "all")
    _send_now(letter)
    assert {*server.counts()} == {*readers}
    assert _who_reads_of_pavel(server) == {board}


def test_a_letter_whose_edition_no_longer_says_for_which_tags_it_asks_is_paused(
    house: House, server: ScriptedServer
) -> None:
    """As an older copy of what is sealed with it says."""
    _tag(house, house.people(2)[0])
    house.route(server)
    letter = release(house.draft(FOR_THE_BOARD), now=now(), hold_minutes=30)
    with transaction.atomic():
        edition_details.change(letter.edition, asked=())
    assert _send_now(letter) == PAUSED


def test_who_waited_for_a_digest_reads_what_is_for_the_tags_that_they_carried_at_the_release(
    house: House, server: ScriptedServer
) -> None:
    _always, board, mallory = house.people(3)
    house.route(server)
    _wish(house, (board, mallory), "digest")
    row = _tag(house, board)
    letter = release(house.draft(FOR_THE_BOARD), now=now(), hold_minutes=30)
    row.delete()
    _tag(house, mallory)
    assert DigestRecipients.objects.exists()
    _wish(house, (board, mallory), "all")
    _send_now(letter)
    assert _who_reads_of_pavel(server) == {board}
    assert len(server.counts()) == 3
