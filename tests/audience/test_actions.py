"""One subscriber at a time."""

import hashlib
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from samizdat.accounts.models import Organization
from samizdat.audience import actions, consent_records, consent_writer, consistency, numbers, queries, suppression_log
from samizdat.audience.errors import AddressErased, ListNameTaken, NoSuchList
from samizdat.audience.models import (
    NUMBER_MASK,
    ConsentRecord,
    Growth,
    ListTotal,
    Subscriber,
    Subscription,
    Suppression,
    Tag,
    row_id,
)
from samizdat.audience.numbers import one_number
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail.address import BadAddress
from samizdat.events import chain
from samizdat.events.actions import detail_of, is_genuine, moment_of
from samizdat.events.models import Event
from samizdat.vault import keyring
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import later
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(lantern: Any, letter: Any) -> Any:
    return actions.add_subscriber(
        lantern,
        "Ada@Post.example",
        letter,
        consent="Said so at the fair.",
        values={"FNAME": "Ada"},
        tags=["fair"],
        now=NOW,
    )


def test_an_index_that_somebody_wrote_beside_another_ones_row_finds_and_changes_nobody(
    ada: Any, lantern: Any, letter: Any
) -> None:
    actions.unsubscribe(ada, letter, now=later(days=1))
    other = actions.add_subscriber(lantern, "x@evil.example", letter, consent="Yes.", now=NOW)
    index, own = bytes(other.email_index), bytes(ada.email_index)
    Subscriber.objects.filter(id=other.id).update(email_index=os.urandom(len(index)))
    Subscriber.objects.filter(id=ada.id).update(email_index=index)
    assert queries.subscriber_at(lantern, "x@evil.example") is None
    assert queries.numbers_at(lantern, ["x@evil.example"]) == []
    before = ConsentRecord.objects.filter(subscriber=ada).count()
    actions.sign_up(lantern, "x@evil.example", letter, wording="One story.", now=later(days=2))
    assert ConsentRecord.objects.filter(subscriber=ada).count() == before
    found = queries.subscriber_at(lantern, "x@evil.example")
    assert found is not None
    actions.confirm(found, letter, now=later(days=2))
    assert ConsentRecord.objects.filter(subscriber=ada).count() == before
    assert bytes(Subscriber.objects.get(id=ada.id).email_index) == own
    assert found.id not in (ada.id, other.id)


def test_who_signs_up_where_a_row_that_opens_for_nobody_has_their_index_comes_in(
    ada: Any, lantern: Any, letter: Any
) -> None:
    index = keyring.keys(lantern).blind("boris@post.example")
    Subscriber.objects.filter(id=ada.id).update(email_index=index, sealed=b"rubbish")
    actions.sign_up(lantern, "boris@post.example", letter, wording="One story.", now=NOW)
    found = queries.subscriber_at(lantern, "boris@post.example")
    assert found is not None and found.id != ada.id


def test_a_suppressed_address_is_so_whatever_index_stands_beside_it(ada: Any, lantern: Any, letter: Any) -> None:
    actions.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    Subscriber.objects.filter(id=ada.id).update(email_index=os.urandom(16))
    assert actions.verdict(ada, letter, NOW).reason == "suppressed:complaint"
    actions.settle_again(lantern, [ada.number], now=NOW)
    assert not Subscription.objects.filter(subscriber=ada, mail_verdict=1).exists()


def test_a_yes_that_somebody_wrote_into_the_database_is_found(ada: Any, lantern: Any, letter: Any) -> None:
    """Without the key: computed as it was before there was one, copied, or said to have lost its words."""
    actions.unsubscribe(ada, letter, now=NOW)
    row = ConsentRecord.objects.filter(subscriber=ada).earliest("id")
    assert consistency.changed_records(lantern, [row.id]) == []
    kind = consent.KINDS.index("returned")
    heading = struct.pack(">QQQBBB", lantern.id, ada.id, letter.id, kind, row.purpose, row.channel)
    plain = hashlib.sha256(heading + row.day.isoformat().encode() + bytes(row.sealed)).digest()
    for forged in ({"kind": kind, "digest": plain}, {}, {"kind": kind, "sealed": b""}):
        made = ConsentRecord.objects.get(id=row.id)
        made.id, made.position, made.link = None, None, None
        for name, value in forged.items():
            setattr(made, name, value)
        made.save(force_insert=True)
        assert consistency.changed_records(lantern, [row.id, made.id]) == [made.id]


def test_records_of_a_reader_that_exchanged_their_numbers_are_found(ada: Any, lantern: Any, letter: Any) -> None:
    """A yes and a no of one day: their order is that of their numbers, and no digest says it."""
    actions.unsubscribe(ada, letter, now=NOW, way="one-click")
    chain.append()
    look = {"audience_consentrecord": consistency.changed_records}
    assert chain.verify(lantern, look).whole and consistency.check_projections(lantern, NOW).wrong == []
    first, second = ConsentRecord.objects.filter(subscriber=ada).order_by("id").values_list("id", flat=True)
    for before, after in ((first, -1), (second, first), (-1, second)):
        ConsentRecord.objects.filter(id=before).update(id=after)
    Subscription.objects.filter(subscriber=ada).update(status=1, mail_verdict=consent.YES)
    assert actions.verdict(ada, letter, NOW).reason == "given"
    assert chain.verify(lantern, look).reason == "digest"
    assert consistency.check_projections(lantern, NOW).wrong == [ada.number]


def test_somebody_added_by_hand_is_subscribed_with_the_words_kept(ada: Any, lantern: Any, letter: Any) -> None:
    card = queries.card(ada, NOW)
    assert (card.address, card.values["FNAME"], card.tags) == ("Ada@post.example", "Ada", ["fair"])
    assert [(entry.kind, entry.way, entry.wording) for entry in card.timeline] == [
        ("given", "desk", "Said so at the fair.")
    ]
    assert card.lists[0].verdict.reason == "given"
    assert queries.subscriber_at(lantern, "ADA@POST.EXAMPLE") == ada
    events = Event.objects.exclude(kind__startswith="organization").order_by("id")
    assert list(events.values_list("kind", flat=True)) == ["list.created", "subscriber.added"]
    assert_projections_hold(lantern, NOW)


def test_whoever_signs_up_is_pending_until_they_confirm(lantern: Any, letter: Any) -> None:
    ada = actions.sign_up(lantern, "ada@post.example", letter, wording="Weekly.", now=NOW)
    assert queries.count(lantern, letter, "pending") == 1
    assert actions.confirm(ada, letter, now=later(1)).reason == "confirmed"
    assert queries.count(lantern, letter, "subscribed") == 1 == queries.count(lantern, letter)
    assert_projections_hold(lantern, later(1))


def test_leaving_is_per_list_written_once_and_can_be_undone(ada: Any, lantern: Any, letter: Any) -> None:
    court = actions.new_list(lantern, "Court Diary", now=NOW)
    actions.add_subscriber(lantern, "ada@post.example", court, consent="Too.", now=NOW)
    assert actions.unsubscribe(ada, letter, way="one-click", now=NOW, reason="too many")
    assert not actions.unsubscribe(ada, letter, way="one-click", now=NOW)
    assert queries.count(lantern, letter, "unsubscribed") == 1 == queries.count(lantern, court, "subscribed")
    assert queries.card(ada, NOW).timeline[0].reason == "too many"
    assert actions.undo_unsubscribe(ada, letter, now=NOW)
    assert not actions.undo_unsubscribe(ada, letter, now=NOW)
    assert queries.count(lantern, letter, "subscribed") == 1
    assert_projections_hold(lantern, NOW)


def test_undoing_a_leaving_does_not_make_a_yes_that_never_was(lantern: Any, letter: Any) -> None:
    ada = actions.sign_up(lantern, "ada@post.example", letter, wording="Weekly.", now=NOW)
    actions.unsubscribe(ada, letter, now=NOW)
    actions.undo_unsubscribe(ada, letter, now=NOW)
    assert queries.count(lantern, letter, "pending") == 1


def test_a_suppression_stops_every_list_and_lifting_it_starts_them(ada: Any, lantern: Any, letter: Any) -> None:
    assert actions.suppress(lantern, "complaint", address="ADA@post.example", now=NOW)
    assert not actions.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    assert actions.verdict(ada, letter, NOW).reason == "suppressed:complaint"
    assert queries.reach(letter) == {"subscribed": 1, "suppressed": 1, "may": 0}
    assert_projections_hold(lantern, NOW)
    assert actions.lift(lantern, "complaint", subscriber=ada, now=NOW)
    assert queries.reach(letter, queries.tag_named(lantern, "fair")) == {"subscribed": 1, "suppressed": 0, "may": 1}
    assert_projections_hold(lantern, NOW)


def test_a_subscribers_own_confirmation_lifts_a_bounce_but_not_what_a_person_decided(
    ada: Any, lantern: Any, letter: Any
) -> None:
    actions.suppress(lantern, "bounce", subscriber=ada, now=NOW)
    actions.confirm(ada, letter, now=NOW)
    assert queries.suppression_of(lantern, "ada@post.example") is None
    actions.suppress(lantern, "manual", subscriber=ada, now=NOW)
    assert actions.confirm(ada, letter, now=NOW).reason == "suppressed:manual"


def test_whose_addresses_servers_called_dead_are_suppressed_together_but_for_one_that_is_gone_or_was_altered(
    ada: Any, lantern: Any, letter: Any
) -> None:
    boris, clara = (
        actions.add_subscriber(lantern, f"{name}@post.example", letter, consent="By post.", now=NOW)
        for name in ("boris", "clara")
    )
    Subscriber.objects.filter(id=clara.id).update(sealed=os.urandom(60))
    answers = {row: {"answer": "no_such_mailbox", "code": 550, "days": 1} for row in (ada.id, boris.id, clara.id)}
    nobody = row_id(lantern.id, NUMBER_MASK)
    assert actions.suppress_bounced(lantern, {**answers, nobody: {}}, now=NOW) == 2
    assert [actions.verdict(row, letter, NOW).reason for row in (ada, boris)] == ["suppressed:bounce"] * 2
    assert set(Event.objects.filter(kind="subscriber.suppressed").values_list("about", flat=True)) == {ada.id, boris.id}
    assert all(is_genuine(event) for event in Event.objects.select_related("organization"))
    event = Event.objects.get(kind="subscriber.suppressed", about=ada.id)
    assert detail_of(event).items() >= {"reason": "bounce", "code": 550}.items() and moment_of(event) == NOW
    assert actions.confirm(ada, letter, now=NOW).reason == "confirmed"


def test_complaints_of_many_have_the_same_consequences_as_one_after_the_other(
    ada: Any, lantern: Any, letter: Any
) -> None:
    other = actions.new_list(lantern, "Other", now=NOW)
    boris, clara, vera, zoe = (
        actions.add_subscriber(lantern, f"{name}@post.example", other, consent="By post.", now=NOW)
        for name in ("boris+news", "clara", "vera", "zoe")
    )
    actions.unsubscribe(clara, other, now=NOW)
    actions.suppress(lantern, "complaint", subscriber=clara, now=NOW)
    actions.suppress(lantern, "complaint", subscriber=vera, now=later(days=1))
    actions.sign_up(lantern, "zoe@post.example", letter, wording="Letters.", now=NOW)
    people, now = (ada, boris, clara, vera, zoe), later(days=1)
    with transaction.atomic():
        for row in people:
            actions.unsubscribe_from_all(row, now=now, way="mail", reason="complaint")
            actions.suppress(lantern, "complaint", subscriber=row, now=now)
        expected = _consequences(lantern)
        transaction.set_rollback(True)
    assert _consequences(lantern) != expected
    actions.suppress_complained(lantern, [row.id for row in people], now=now)
    assert _consequences(lantern) == expected
    assert all(is_genuine(event) for event in Event.objects.select_related("organization"))
    assert_projections_hold(lantern, now)
    before = _consequences(lantern)
    actions.suppress_complained(lantern, [row.id for row in people], now=now)
    assert _consequences(lantern) == before


def _consequences(organization: Any) -> list[Any]:
    """All that is written of it, but for numbers of rows; entries of the suppression list in whatever events."""
    keys = keyring.keys(organization)
    records = [
        (row.subscriber_id, row.list_id, row.kind, row.purpose, row.channel, row.day, seal.unpack(
            keys.open(row.sealed, *consent_records.RECORD, row.subscriber_id & NUMBER_MASK)
        ))
        for row in ConsentRecord.objects.order_by("subscriber", "list", "id")
    ]  # fmt: skip
    logged, said = set(), []
    for event in Event.objects.select_related("organization"):
        if event.kind == suppression_log.WRITTEN:
            logged |= {(row, event.at) for row in suppression_log.rows_in(detail_of(event))}
        else:
            said.append((event.kind, event.about, str(detail_of(event))))
    return [
        records, logged, sorted(said, key=str),
        sorted(Subscription.objects.values_list("subscriber", "list", "status", "mail_verdict", "since")),
        sorted(ListTotal.objects.exclude(count=0).values_list("list", "status", "count")),
        sorted(Growth.objects.values_list("list", "day", "metric", "channel", "count")),
        sorted((bytes(row.email_index), row.reason, row.day) for row in Suppression.objects.all()),
    ]  # fmt: skip


def test_an_address_can_be_suppressed_before_anybody_knows_it(lantern: Any, letter: Any) -> None:
    actions.suppress(lantern, "manual", address="boris@post.example", now=NOW)
    boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="by post", now=NOW)
    assert actions.verdict(boris, letter, NOW).reason == "suppressed:manual"
    assert_projections_hold(lantern, NOW)


def test_erasing_takes_everything_but_a_keyed_mark_and_empty_records(ada: Any, lantern: Any, letter: Any) -> None:
    assert actions.erase(lantern, subscriber=ada, now=NOW)
    assert not Subscriber.objects.exists() and queries.count(lantern, letter) == 0
    assert [bytes(row.sealed) for row in ConsentRecord.objects.all()] == [b"", b""]
    assert list(Suppression.objects.values_list("reason", flat=True)) == ["erased"]
    with pytest.raises(AddressErased):
        actions.add_subscriber(lantern, "ada@post.example", letter, consent="again", now=NOW)
    assert not actions.erase(lantern, address="ada@post.example", now=NOW)
    assert_projections_hold(lantern, NOW)


def test_the_number_of_somebody_erased_is_never_given_again(lantern: Any, letter: Any, monkeypatch: Any) -> None:
    from samizdat.audience import numbers

    monkeypatch.setattr(numbers, "BLOCK", 3)
    used = set()
    for turn in range(7):
        row = actions.add_subscriber(lantern, f"reader{turn}@post.example", letter, consent="yes", now=NOW)
        used.add(row.number)
        actions.erase(lantern, subscriber=row, now=NOW)
    assert len(used) == 7


def test_tags_and_values_change_with_their_totals(ada: Any, lantern: Any, letter: Any) -> None:
    actions.add_tags(ada, ["donor", "Fair"], now=NOW)
    actions.remove_tags(ada, ["fair", "never seen"], now=NOW)
    actions.change_values(ada, {"FNAME": "", "CITY": "Riga"}, notes="Paper, please.", now=NOW)
    ada.refresh_from_db()
    card = queries.card(ada, NOW)
    assert (card.tags, card.notes) == (["donor"], "Paper, please.")
    assert (card.values["FNAME"], card.values["CITY"]) == ("", "Riga")
    assert queries.count(lantern, letter, "subscribed", "donor") == 1
    assert queries.count(lantern, letter, "subscribed", "fair") == 0 == queries.count(lantern, letter, tag="unknown")
    assert_projections_hold(lantern, NOW)


@pytest.mark.parametrize("emptied", [False, True])
def test_a_tag_is_the_one_that_its_sealed_name_says_whatever_index_is_beside_it(
    lantern: Any, letter: Any, emptied: bool
) -> None:
    actions.add_subscriber(lantern, "everyone@example.org", letter, tags=["Everyone"], consent="By phone", now=NOW)
    ids = actions.tags_for(lantern, ["Board", "Everyone"])
    board, everyone = (Tag.objects.get(pk=ids[name]) for name in ("Board", "Everyone"))
    index, others = bytes(board.name_index), bytes(everyone.name_index)
    Tag.objects.filter(pk=board.pk).update(name_index=b"aside")
    Tag.objects.filter(pk=everyone.pk).update(name_index=index, **{"name_sealed": b""} if emptied else {})
    if emptied:  # Its own name is gone; it must not become the name that is beside it.
        Tag.objects.filter(pk=board.pk).update(name_index=others)
    assert queries.tag_named(lantern, "board") == board
    assert actions.tags_for(lantern, ["BOARD", "New"])["BOARD"] == board.pk
    Tag.objects.filter(pk=board.pk).delete()
    again = actions.tags_for(lantern, ["Board"])["Board"]
    assert again not in ids.values() and queries.count(lantern, letter, tag="Board") == 0
    assert actions.tags_for(lantern, ["board"]) == {"board": again}


def test_what_is_no_address_is_refused_and_nothing_written(lantern: Any, letter: Any) -> None:
    with pytest.raises(BadAddress):
        actions.add_subscriber(lantern, "ada at post", letter, consent="yes", now=NOW)
    assert not Subscriber.objects.exists()


def test_lists_are_found_by_name_and_names_are_used_once(lantern: Any, letter: Any) -> None:
    assert queries.list_named(lantern, " the thursday letter ") == letter
    with pytest.raises(ListNameTaken):
        actions.new_list(lantern, "THE THURSDAY LETTER", now=NOW)
    with pytest.raises(NoSuchList, match="The Thursday Letter"):
        queries.list_named(lantern, "Friday")
    actions.rename_list(letter, "The Friday Letter", now=NOW)
    assert [(found.name, found.total) for found in queries.lists(lantern)] == [("The Friday Letter", 0)]


def test_another_organization_s_people_are_not_found(ada: Any, lantern: Any, letter: Any, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization
    from tests.conftest import TODAY

    kiosk = found_organization("Kiosk", source=vault, today=TODAY, public_url="https://kiosk.example")
    assert queries.subscriber_at(kiosk, "ada@post.example") is None
    assert queries.subscriber_numbered(kiosk, ada.number) is None
    assert queries.page(kiosk).rows == [] and queries.count(kiosk) == 0
    with pytest.raises(NoSuchList):
        queries.list_by_id(kiosk, letter.id)
    actions.suppress(kiosk, "manual", address="ada@post.example", now=NOW)
    assert queries.suppression_of(lantern, "ada@post.example") is None


def test_the_nightly_check_finds_and_mends_what_is_not_what_the_records_say(
    ada: Any, lantern: Any, letter: Any
) -> None:
    from samizdat.audience.consistency import check_projections
    from samizdat.audience.models import ListTotal, Subscription

    boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="yes", now=NOW)
    actions.suppress(lantern, "complaint", subscriber=boris, now=NOW)
    assert (check_projections(lantern, NOW).subscribers, check_projections(lantern, NOW).wrong) == (2, [])
    Subscription.objects.filter(subscriber=boris).update(mail_verdict=1)
    Subscription.objects.filter(subscriber=ada).update(status=2)
    ListTotal.objects.filter(list=letter, status=1).update(count=1)
    ListTotal.objects.filter(list=letter, status=2).update(count=1)
    actions.remove_tags(ada, ["fair"], now=NOW)
    checked = check_projections(lantern, NOW)
    assert sorted(checked.wrong) == sorted([ada.number, boris.number])
    assert actions.settle_again(lantern, checked.wrong, now=NOW) == 2
    assert check_projections(lantern, NOW).wrong == []


def test_who_is_written_down_by_two_at_once_is_one(
    ada: Any, lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL neither sees the other's row before it is committed."""
    look, looks = consent_writer.find, []

    def find(*args: Any, **more: Any) -> Any:
        looks.append(1)
        return look(*args, **more) if len(looks) > 1 else None

    monkeypatch.setattr(consent_writer, "find", find)
    values = {"FNAME": "Augusta"}
    again = actions.add_subscriber(lantern, "ada@post.example", letter, consent="Again.", values=values, now=NOW)
    assert again.id == ada.id and queries.values_of(again)["FNAME"] == "Augusta"


def test_numbers_that_were_reserved_in_another_state_of_the_database_are_given_to_nobody(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an older one is put in its place: what walks through everybody ends at the last number of that one."""
    monkeypatch.setitem(numbers._held, (lantern.id, bytes(lantern.uid)), [999_999])
    number = one_number(lantern.id)
    assert number < numbers.end_of(lantern.id)


@pytest.mark.parametrize("way", ["a sign-up", "a file"])
def test_nobody_gets_the_number_of_another_whose_rows_are_hidden_meanwhile(
    ada: Any, lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Chunks and approvals name people by number: whoever writes the database and signs up would get Ada's emails."""
    monkeypatch.setattr(numbers, "BLOCK", 12)
    ConsentRecord.objects.filter(subscriber=ada).update(subscriber_id=row_id(lantern.id, NUMBER_MASK))
    Subscription.objects.filter(subscriber=ada).delete()
    Subscriber.objects.filter(id=ada.id)._raw_delete("default")  # type: ignore[attr-defined]
    drawn = set[int]()
    for turn in range(40):
        Organization.objects.filter(id=lantern.id).update(next_number=ada.number + 1 if way == "a sign-up" else 1)
        if way == "a sign-up":
            drawn.add(actions.sign_up(lantern, f"thief{turn}@evil.example", letter, wording="", now=NOW).number)
        else:
            drawn.update(numbers.Numbers(lantern.id).take(1))
    assert ada.number not in drawn and len(drawn) == 40


@pytest.mark.skipif("postgresql" not in os.environ.get("DATABASE_URL", ""), reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_who_takes_a_number_holds_up_nobody_who_writes_an_event(lantern: Any) -> None:
    """Each waited for the other: the one had the organization's row, the other the totals of the list."""

    def share() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute("SELECT 1 FROM accounts_organization WHERE id = %s FOR KEY SHARE", [lantern.id])
            held = cursor.fetchone() is not None
        connection.close()
        return held

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        one_number(lantern.id)
        assert pool.submit(share).result()
