"""An index key is exchanged: everybody is found, before, meanwhile and afterwards, and nobody is there twice."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections, transaction
from django.db.models import BinaryField
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.audience import (
    actions,
    address_log,
    consent_writer,
    consistency,
    index_renewal,
    sealed_subscribers,
    suppression_check,
)
from samizdat.audience.actions import mail_quota, preferences, segments
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports import run
from samizdat.audience.models import DOUBLE, ConsentRecord, DataQualityIssue, Subscriber, Suppression, Tag
from samizdat.audience.queries.suppressions import reasons_of
from samizdat.audience.segments import lookup
from samizdat.audience.tags_and_fields import tags_for
from samizdat.backup import blind_columns, index_rotation
from samizdat.campaigns import folders
from samizdat.core.crypto import seal
from samizdat.core.segment import All
from samizdat.delivery import sql as delivery_sql
from samizdat.events.models import Event
from samizdat.portability.restore import keys as restored_keys
from samizdat.vault import keyring, strict
from samizdat.vault.errors import IndexKeyReplaced, KeyWrong, OrganizationLocked
from samizdat.vault.models import VaultKey
from samizdat.worker.inbox.preferences import mailed_token, read_mailed
from tests.conftest import NOW
from tests.test_schema import OUR_APPS
from tests.vault.test_places import UNSEALED
from tests.web.conftest import House, furnish

pytestmark = pytest.mark.django_db

# Not of the columns that something is found by.
NOT_FOUND_BY = {"uid", "mac", "link", "lane", "provider", "group", "boot", "folder", "numbers", "wrapped", "public"} | {
    "name",
    "own",
    "rival",
}


@pytest.fixture
def house(lantern: Any, tmp_path: Path) -> House:
    return furnish(lantern, tmp_path, "lantern.example")


@pytest.fixture
def ada(lantern: Any, letter: Any) -> Subscriber:
    actions.add_subscriber(lantern, "boris@post.example", letter, consent="By form.", now=NOW)
    return actions.add_subscriber(lantern, "ada@post.example", letter, consent="By form.", now=NOW)


def rotate(organization: Any, days: int = 0) -> index_rotation.Renewed:
    return index_rotation.rotate(organization, now=lambda: NOW + timedelta(days=days), settled=0)


def opened(organization: Any) -> dict[int, str]:
    keys = keyring.keys(organization)
    return {
        row.pk: consent_writer.address_of(keys, row) for row in Subscriber.objects.filter(organization=organization)
    }


def found(organization: Any) -> dict[int, str]:
    """Whoever is found by their address, with it."""
    keys = keyring.keys(organization)
    here = {}
    for address in set(opened(organization).values()):
        for waiting in (False, True):
            row = consent_writer.find(organization, keys, address, waiting=waiting)
            if row is not None:
                here[row.pk] = address
    return here


def versions(organization: Any) -> set[int]:
    return set(Subscriber.objects.filter(organization=organization).values_list("index_version", flat=True))


def is_whole(organization: Any) -> bool:
    """Whether the nightly comparison finds nothing to put right."""
    [logged] = suppression_check.logged_now(organization, NOW)
    checked = consistency.check_projections(organization, NOW)
    return not suppression_check.put_right(organization, logged, NOW) and not (checked.wrong or checked.missing)


def test_what_becomes_of_each_blind_column_is_said() -> None:
    there = {
        f"{model._meta.label_lower}.{field.name}"
        for app in (*OUR_APPS, "portability")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.fields
        if isinstance(field, BinaryField) and field.name in UNSEALED - NOT_FOUND_BY and app != "publicdb"
    }
    walked = {column.name for column in blind_columns.COLUMNS} | blind_columns.WITH_SUBSCRIBERS
    assert not walked & (blind_columns.LEFT.keys() | blind_columns.OTHERS.keys())
    assert walked | blind_columns.LEFT.keys() | blind_columns.OTHERS.keys() == there


def test_everybody_and_everything_is_found_under_the_new_key(house: House) -> None:
    organization = house.organization
    here, before = found(organization), opened(organization)
    assert here == before
    tag, segment = Tag.objects.filter(organization=organization, removed=False)[0], lookup.segments(organization)[0]
    folder = folders.folders(organization)[0]
    renewed = rotate(organization)
    keys = keyring.keys(organization)
    assert (keys.index_version, versions(organization)) == (2, {2})
    assert renewed.rows > len(before)
    assert found(organization) == here and opened(organization) == before
    assert is_whole(organization)
    keys.index.pop(1)  # By the new key alone.
    assert found(organization) == here
    name = blind_columns.tag_name(keys, tag)
    assert tags_for(organization, keys, [name]) == {name: tag.pk}
    assert lookup.segment_named(organization, segment.name).pk == segment.id
    with pytest.raises(folders.FolderRefused):
        folders.add(organization, folder.name, by=None, now=NOW)
    assert index_rotation.status(organization).left == 0
    assert Event.objects.filter(organization=organization, kind="keys.rotated").count() == 1


def test_it_is_exchanged_again_and_again(lantern: Any, ada: Subscriber) -> None:
    before = opened(lantern)
    assert [rotate(lantern, days).rows for days in (0, 1, 8, 9)] == [2, 2, 2, 2]
    assert versions(lantern) == {5}
    assert found(lantern) == before
    # Nothing names the first one, and by the others a link may have been mailed a week ago.
    assert index_rotation.status(lantern).former == (2, 3, 4)


def test_the_former_key_stays_as_long_as_something_names_it(lantern: Any, ada: Subscriber, letter: Any) -> None:
    actions.suppress(lantern, "erased", address="gone@post.example", now=NOW)
    assert rotate(lantern).dropped == ()
    after = index_rotation.status(lantern)
    assert (after.current, after.former, after.left, after.kept) == (2, (1,), 0, 1)
    assert reasons_of(lantern, "gone@post.example") == ["erased"]
    actions.lift(lantern, "erased", address="gone@post.example", now=NOW)
    assert index_rotation.drop_unused(lantern, now=NOW + keyring.AFTER_A_MOVE) == ()
    later = NOW + keyring.AFTER_A_MOVE + timedelta(days=1)
    assert index_rotation.drop_unused(lantern, now=later) == (1,)
    assert [*keyring.keys(lantern).index] == [2]
    actions.unsubscribe(ada, letter, now=NOW)
    assert ConsentRecord.objects.filter(organization=lantern).exists()
    rotate(lantern)
    assert rotate(lantern, 30).dropped == ()  # What they said names their index.


def test_entries_of_the_suppression_list_come_along_and_the_log_says_so(lantern: Any, ada: Subscriber) -> None:
    actions.suppress(lantern, "manual", address="ada+news@post.example", now=NOW)
    actions.suppress(lantern, "complaint", subscriber=ada, now=NOW)
    rotate(lantern)
    rows = Suppression.objects.filter(organization=lantern)
    # Nobody here has ada+news@; her mailbox however it is spelled is known.
    assert sorted(rows.values_list("index_version", "reason")) == [(1, "manual"), (2, "complaint"), (2, "~manual")]
    assert is_whole(lantern)
    Suppression.objects.all()._raw_delete("default")  # type: ignore[attr-defined]
    suppression_check.look(lantern, NOW)
    assert reasons_of(lantern, "ada@post.example") == ["complaint"]
    assert reasons_of(lantern, "ada+news@post.example") == ["manual"]


def test_who_signs_up_meanwhile_is_found_and_is_there_once(lantern: Any, ada: Subscriber, letter: Any) -> None:
    stale = keyring.keys(lantern)

    def sign_up(address: str) -> bool:
        """As by a process that has read the keys before."""
        with transaction.atomic():
            _row, is_new = consent_writer.find_or_create(lantern, stale, address, {}, "en", NOW.date())
        return is_new

    index_rotation.begin(lantern, now=NOW)
    assert keyring.keys(lantern).index_version == 1 and sorted(keyring.keys(lantern).index) == [1, 2]
    assert sign_up("eve@post.example") and not sign_up("eve@post.example")
    stale = keyring.keys(lantern)
    index_rotation.switch(lantern, now=NOW)
    assert not sign_up("eve@post.example") and not sign_up("ada@post.example")
    assert sign_up("pavel@post.example")
    assert Subscriber.objects.order_by("-pk").filter(index_version=2).count() == 1
    index_rotation.walk(lantern, lambda: NOW)
    assert not sign_up("pavel@post.example") and not sign_up("eve@post.example")
    assert sorted(opened(lantern).values()) == sorted(found(lantern).values())
    assert len(opened(lantern)) == 4


def test_a_key_that_is_coming_is_made_the_current_one_by_nobody(lantern: Any) -> None:
    """Whoever writes the database makes a key that others know from an export look like it."""
    wrapped = keyring.wrap_former(lantern, "index", 7, bytes(32), NOW.date())
    VaultKey.objects.create(
        organization=lantern, kind="index", number=7, wrapped=wrapped, current=False, coming=True, created=NOW.date()
    )
    keyring.look_again(lantern)
    assert [*keyring.keys(lantern).index] == [1]
    with pytest.raises(KeyWrong):
        index_rotation.switch(lantern, now=NOW)


@pytest.mark.parametrize("step", ["begin", "switch", "write 1", "write 2", "suppressions", "name", "drop"])
def test_killed_at_any_step_it_goes_on(house: House, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    organization = house.organization
    actions.suppress(organization, "manual", subscriber=house.ada, now=NOW)
    here = found(organization)
    monkeypatch.setattr(index_rotation, "BATCH", 1)
    name, _, turn = step.partition(" ")
    owner, called = {
        "begin": (index_rotation, "_insist_strict"),
        "switch": (index_rotation, "record"),
        "write": (index_renewal, "_renew_doubles"),
        "suppressions": (index_renewal.suppression_log, "write"),
        "name": (index_rotation, "_renew_name"),
        "drop": (index_rotation, "drop_unused"),
    }[name]
    real, calls = getattr(owner, called), []

    def die(*arguments: Any, **more: Any) -> Any:
        calls.append(called)
        if len(calls) == int(turn or 1):
            raise KeyboardInterrupt
        return real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, called, die)
        with pytest.raises(KeyboardInterrupt):
            rotate(organization)
    keyring.use(keyring.opened_here())  # As another process.
    assert found(organization) == here
    assert index_rotation.status(organization).goes_on == (step not in ("begin", "drop"))
    rotate(organization)
    assert found(organization) == here and versions(organization) == {2 if step != "drop" else 3}
    assert is_whole(organization)


def test_nothing_that_was_put_there_without_a_key_is_written_anew(lantern: Any, ada: Subscriber, letter: Any) -> None:
    eve = actions.add_subscriber(lantern, "eve@post.example", letter, consent="By form.", now=NOW)
    row = Subscriber.objects.filter(pk=eve.pk)
    # The index of somebody who isn't here, beside her row.
    foreign = keyring.keys(lantern).blind("vic@post.example")
    row.update(email_index=foreign)
    forged = bytes(row.get().sealed)
    rotate(lantern)
    after = row.get()
    assert (bytes(after.email_index), bytes(after.sealed), after.index_version) == (foreign, forged, 1)
    assert index_rotation.status(lantern).former == (1,)
    assert not index_rotation.status(lantern).goes_on
    [number] = consistency.check_projections(lantern, NOW).misindexed
    actions.put_indexes_right(lantern, [number], now=NOW)
    assert found(lantern)[eve.pk] == "eve@post.example"


def test_who_stands_at_an_index_that_is_anothers_gives_it_back(lantern: Any, ada: Subscriber, letter: Any) -> None:
    eve = actions.add_subscriber(lantern, "eve@post.example", letter, consent="By form.", now=NOW)
    index_rotation.begin(lantern, now=NOW)
    index_rotation.switch(lantern, now=NOW)
    Subscriber.objects.filter(pk=eve.pk).update(email_index=keyring.keys(lantern).blind("ada@post.example"))
    index_rotation.walk(lantern, lambda: NOW)
    assert found(lantern)[ada.pk] == "ada@post.example"


def test_what_is_sealed_of_them_agrees_with_their_index(lantern: Any, ada: Subscriber) -> None:
    """A sender compares both."""
    rotate(lantern)
    keys, row = keyring.keys(lantern), Subscriber.objects.get(pk=ada.pk)
    _plain, mark = sealed_subscribers.opener(keys).open_with_tail(bytes(row.sealed), row.number)
    assert mark and bytes(row.email_index).startswith(mark)
    assert bytes(row.email_index) == keys.blind("ada@post.example")


def test_whose_address_was_corrected_is_still_written_to(lantern: Any, ada: Subscriber, letter: Any) -> None:
    actions.correct_address(ada, "ada@new.example", now=NOW)
    rotate(lantern)
    assert Event.objects.filter(kind=address_log.REINDEXED, about=ada.pk).count() == 1
    row = Subscriber.objects.get(pk=ada.pk)
    newest = max(Event.objects.filter(kind=address_log.REINDEXED).values_list("pk", flat=True))
    assert not address_log.elsewhere({newest: bytes(row.email_index)})
    assert is_whole(lantern) and found(lantern)[ada.pk] == "ada@new.example"
    assert delivery_sql.release_page(lantern.pk, letter.pk, None, 0, 10, True).count(ada.pk) == 1


def test_links_that_were_mailed_work_afterwards(lantern: Any, ada: Subscriber) -> None:
    preferences.ask_to_move(ada, "ada@new.example")
    mark = preferences.mark_of(lantern, "ada@new.example")
    move, erase = mailed_token(ada, "move", NOW, mark), mailed_token(ada, "erase", NOW)
    rotate(lantern)
    assert read_mailed(lantern, "erase", erase, NOW) == (ada, 0)
    known = read_mailed(lantern, "move", move, NOW)
    assert known is not None and preferences.wish_of(*known) == "ada@new.example"
    assert preferences.move(ada, known[1], now=NOW)


def test_a_possible_double_that_was_settled_stays_settled(lantern: Any, ada: Subscriber) -> None:
    keys = keyring.keys(lantern)
    row = DataQualityIssue.objects.create(
        organization=lantern, subscriber=ada, kind=DOUBLE, mark=keys.blind("ada@post.example"), dismissed=True
    )
    rotate(lantern)
    row.refresh_from_db()
    assert bytes(row.mark) == keyring.keys(lantern).blind("ada@post.example") and row.dismissed


def test_an_import_under_way_begins_its_stretch_anew(
    lantern: Any, letter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bring: Callable[..., Any]
) -> None:
    path = tmp_path / "people.csv"
    people = [f"reader{number}@post.example" for number in range(40)]
    path.write_text("Email\n" + "\n".join(people) + "\n")
    monkeypatch.setattr(imports, "SLICE", 10)
    commit, committed = run._commit, []

    def exchange(*arguments: Any) -> Any:
        if len(committed) == 2:
            index_rotation.begin(lantern, now=NOW)
            index_rotation.switch(lantern, now=NOW)
        committed.append(arguments)
        return commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "_commit", exchange)
        with pytest.raises(ImportRefused) as refused:
            bring(path, status="subscribed")
    assert refused.value.code == "key_replaced"
    assert 0 < Subscriber.objects.filter(organization=lantern).count() < 40
    bring(path, status="subscribed")
    assert sorted(opened(lantern).values()) == sorted(people)
    index_rotation.walk(lantern, lambda: NOW)
    assert sorted(found(lantern).values()) == sorted(people) and versions(lantern) == {2}


def test_two_walks_at_once_write_nothing_under_another_key(lantern: Any, ada: Subscriber) -> None:
    index_rotation.begin(lantern, now=NOW)
    stale = keyring.keys(lantern)
    index_rotation.switch(lantern, now=NOW)
    with pytest.raises(IndexKeyReplaced):
        index_renewal._written(lantern, stale, [], NOW)


def test_no_more_index_keys_than_an_export_may_bring(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_rotation, "MOST_INDEX", 1)
    assert restored_keys.MOST_INDEX > 1 and index_rotation.is_full(lantern)
    with pytest.raises(KeyWrong):
        index_rotation.begin(lantern, now=NOW)
    assert [*keyring.keys(lantern).index] == [1]


def test_of_a_strict_organization_no_index_key_is_left_without_its_strict_key(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was locked again meanwhile, so the strict key was gone."""
    with monkeypatch.context() as patch:
        patch.setattr(strict, "is_strict", lambda _organization: True)
        with pytest.raises(OrganizationLocked):
            index_rotation.begin(lantern, now=NOW)
        assert VaultKey.objects.filter(organization=lantern, kind="index").count() == 1
    index_rotation.begin(lantern, now=NOW)
    monkeypatch.setattr(strict, "is_strict", lambda _organization: True)
    with pytest.raises(OrganizationLocked):
        index_rotation.switch(lantern, now=NOW)
    assert VaultKey.objects.get(organization=lantern, kind="index", current=True).number == 1


def test_a_second_mail_of_a_day_is_none_under_the_new_key_either(lantern: Any) -> None:
    asked = ("confirm ada@post.example", 1, NOW)
    assert mail_quota.once_a_day(lantern, *asked)
    rotate_and_keep(lantern)
    assert mail_quota.once_a_day(lantern, *asked)  # The same one again.
    assert not mail_quota.once_a_day(lantern, asked[0], 2, NOW + timedelta(minutes=1))


def rotate_and_keep(organization: Any) -> None:
    index_rotation.begin(organization, now=NOW)
    index_rotation.switch(organization, now=NOW)


def test_a_segment_is_found_between_two_walks(lantern: Any) -> None:
    row = segments.add_segment(lantern, "Readers", All(()), now=NOW)
    rotate_and_keep(lantern)
    assert lookup.segment_named(lantern, "readers").pk == row.pk
    assert seal.blind(keyring.keys(lantern).index[1], "segment:readers") == bytes(row.name_index)


@pytest.mark.django_db(transaction=True)
def test_the_exchange_waits_for_whoever_writes_an_index(lantern: Any, letter: Any) -> None:
    index_rotation.begin(lantern, now=NOW)
    written, go = threading.Event(), threading.Event()

    def apart(do: Callable[[], None]) -> None:
        try:
            do()
        finally:
            connections.close_all()

    def sign_up() -> None:
        with transaction.atomic():
            consent_writer.find_or_create(
                lantern, keyring.keys(lantern), "eve@post.example", {}, "en", NOW.date(), waiting=True
            )
            written.set()
            assert go.wait(60)

    with ThreadPoolExecutor(2) as pool:
        signing = pool.submit(apart, sign_up)
        assert written.wait(60)
        exchanging = pool.submit(apart, lambda: index_rotation.switch(lantern, now=NOW))
        with pytest.raises(TimeoutError):
            exchanging.result(0.5)
        go.set()
        signing.result(60)
        exchanging.result(60)
    assert versions(lantern) == {1} and keyring.keys(lantern).index_version == 2


NAMES = ("ada", "eve", "pavel")
WHAT = ("sign up", "suppress", "lift", "correct", "erase", "exchange", "walk")
HAPPENS = st.lists(st.tuples(st.sampled_from(WHAT), st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12)


def test_whatever_happens_meanwhile_everybody_is_there_once(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_rotation, "MOST_INDEX", 1_000)
    turns = itertools.count()

    @settings(max_examples=20, derandomize=True)
    @given(HAPPENS)
    def holds(happens: list[tuple[str, str, str]]) -> None:
        turn = next(turns)
        there, reasons = set[str](), defaultdict[str, set[str]](set)
        stale = keyring.keys(lantern)  # As of a process that asked for them before.
        for what, name, other in happens:
            address, new = f"{name}{turn}@post.example", f"{other}{turn}@post.example"
            row = consent_writer.find(lantern, keyring.keys(lantern), address)
            assert (row is not None) == (address in there)
            if what == "sign up":
                with transaction.atomic():
                    _row, is_new = consent_writer.find_or_create(lantern, stale, address, {}, "en", NOW.date())
                assert is_new == (address not in there)
                there.add(address)
            elif what == "suppress":
                actions.suppress(lantern, "manual", address=address, now=NOW)
                reasons[address].add("manual")
            elif what == "lift":
                assert actions.lift(lantern, "manual", address=address, now=NOW) == ("manual" in reasons[address])
                reasons[address].discard("manual")
            elif what == "correct" and row is not None and new not in there and not reasons[new]:
                actions.correct_address(row, new, now=NOW)
                there ^= {address, new}
                reasons[new] |= reasons[address] & {"manual"}  # What the team decided comes along.
            elif what == "erase" and row is not None:
                actions.erase(lantern, subscriber=row, now=NOW)
                there.discard(address)
                reasons[address].add("erased")
            elif what == "exchange" and index_rotation.status(lantern).coming is None:
                index_rotation.begin(lantern, now=NOW)
                stale = keyring.keys(lantern)
                index_rotation.switch(lantern, now=NOW)
            elif what == "walk":
                index_rotation.walk(lantern, lambda: NOW)
        index_rotation.walk(lantern, lambda: NOW)
        mine = {address for address in opened(lantern).values() if address.endswith(f"{turn}@post.example")}
        assert mine == there == {address for address in found(lantern).values() if address in mine}
        assert len([address for address in opened(lantern).values() if address in mine]) == len(mine)
        for name in NAMES:
            address = f"{name}{turn}@post.example"
            assert {*reasons_of(lantern, address)} == reasons[address], address
        assert index_rotation.status(lantern).left == 0 and is_whole(lantern)

    holds()
