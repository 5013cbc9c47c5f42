"""A strict organization's keys open only with a passphrase of its people, and not with the instance key alone."""

import base64
import json
import os
import time
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction

from samizdat.accounts import actions
from samizdat.core.crypto import seal
from samizdat.core.crypto.passphrase import Cost
from samizdat.delivery.actions import key_locks, strict_keys
from samizdat.events.models import Event
from samizdat.vault import keyring, locks, share_pages, shares, strict
from samizdat.vault.errors import KeyWrong, OrganizationLocked, StrictRefused
from samizdat.vault.key_line import FOLLOW
from samizdat.vault.keyserver import KeyServer
from samizdat.vault.models import StrictKey, VaultKey
from samizdat.vault.source import STRICT_KINDS, InstanceSource
from samizdat.worker.inbox import link_keys
from tests.conftest import INSTANCE_KEY, NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db
SOURCE = InstanceSource(INSTANCE_KEY)
VERAS, OLGAS, PAVELS = "six words of Vera, rivers", "six words of Olga, lamps", "six words of Pavel, tides"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "COST", Cost(64, 1, 4))


def teammate(organization: Any, name: str) -> Any:
    person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    actions.give_role(person, organization, "admin", by=None, now=NOW)
    return person


@pytest.fixture
def two(lantern: Any) -> tuple[Any, Any]:
    """Two people who have set a passphrase; it is strict, and unlocked."""
    vera, olga = teammate(lantern, "vera"), teammate(lantern, "olga")
    strict.prepare(lantern, vera.pk, VERAS, TODAY)
    strict.prepare(lantern, olga.pk, OLGAS, TODAY)
    strict_keys.turn_on(lantern, by=vera, now=NOW)
    return vera, olga


def opens(organization: Any, source: InstanceSource) -> set[str]:
    """Kinds of its keys that this source opens."""
    found = set()
    for row in VaultKey.objects.filter(organization=organization):
        try:
            assert len(source.unwrap(keyring.label_of(row, organization), row.wrapped)) == 32
        except OrganizationLocked:
            continue
        found.add(row.kind)
    return found


def lock(organization: Any, vault: Any) -> None:
    assert strict_keys.lock(organization, by=None, now=NOW)
    vault.let_go([(organization.id, bytes(organization.uid))])
    keyring.drop([(organization.id, bytes(organization.uid))])


def unlock(organization: Any, typed: str) -> None:
    strict_keys.unlock(organization, strict.people(organization), typed, 8, by=None, now=NOW)


def test_the_instance_key_alone_opens_its_links_and_nothing_else(lantern: Any, vault: Any, two: Any) -> None:
    assert opens(lantern, SOURCE) == {"link"}
    assert opens(lantern, vault) == {"link", *STRICT_KINDS}


def test_one_person_alone_makes_nothing_strict(lantern: Any) -> None:
    strict.prepare(lantern, teammate(lantern, "vera").pk, VERAS, TODAY)
    with pytest.raises(StrictRefused, match="two people"):
        strict_keys.turn_on(lantern, by=None, now=NOW)
    assert not strict.is_strict(lantern) and opens(lantern, SOURCE) == {"link", *STRICT_KINDS}


@pytest.mark.parametrize("typed", [VERAS, OLGAS])
def test_each_passphrase_unlocks_it_and_no_other_does(lantern: Any, vault: Any, two: Any, typed: str) -> None:
    sealed = keyring.keys(lantern).seal(b"Ada", "test", "column", 1)
    lock(lantern, vault)
    with pytest.raises(OrganizationLocked, match="keys strict unlock"):
        keyring.keys(lantern)
    with pytest.raises(StrictRefused, match="isn't the passphrase"):
        unlock(lantern, "six words of nobody here")
    unlock(lantern, typed)
    assert keyring.keys(lantern).open(sealed, "test", "column", 1) == b"Ada"
    kinds = Event.objects.filter(kind__startswith="keys.strict").order_by("id").values_list("kind", flat=True)
    assert [*kinds] == ["keys.strict_on", "keys.strict_locked", "keys.strict_unlocked"]


def test_an_unlock_without_a_passphrase_unlocks_nothing(lantern: Any, vault: Any, two: Any) -> None:
    lock(lantern, vault)
    with pytest.raises(OrganizationLocked, match="keys strict unlock"):
        key_locks.unlock(lantern, by=None, now=NOW)
    assert locks.state(lantern) is not None


def test_its_time_is_over_by_itself(lantern: Any, vault: Any, two: Any) -> None:
    strict.hold(lantern, strict.opened(lantern, strict.people(lantern), VERAS), 1e-9)
    assert vault.over() == [(lantern.id, bytes(lantern.uid))]
    assert opens(lantern, vault) == {"link"}


@pytest.mark.django_db(transaction=True)
def test_what_readers_send_is_sealed_to_it_while_it_is_locked(lantern: Any, two: Any, vault: Any) -> None:
    row = VaultKey.objects.get(organization=lantern, kind="box")
    public = seal.public_key(vault.unwrap(keyring.label_of(row, lantern), row.wrapped))
    assert link_keys.box_key(SOURCE, bytes(lantern.uid)) == (row.number, public)
    assert len(link_keys.reader_links(SOURCE)) == 1


def test_a_new_key_of_a_strict_organization_is_wrapped_as_the_others(lantern: Any, vault: Any, two: Any) -> None:
    label, secret = keyring.label("data", 2, lantern), os.urandom(32)
    wrapped = vault.wrap(label, secret)
    assert vault.unwrap(label, wrapped) == secret
    with pytest.raises(OrganizationLocked):
        SOURCE.unwrap(label, wrapped)


def test_another_organizations_strict_key_or_label_opens_nothing(lantern: Any, vault: Any, two: Any) -> None:
    row = VaultKey.objects.get(organization=lantern, kind="data")
    label, other = keyring.label_of(row, lantern), InstanceSource(INSTANCE_KEY)
    with pytest.raises(KeyWrong):
        other.hold(os.urandom(32), 60, label, row.wrapped)
    assert opens(lantern, other) == {"link"}


def test_who_is_removed_opens_nothing_more_and_all_others_keep_their_passphrase(
    lantern: Any, vault: Any, two: Any
) -> None:
    pavel, rows = teammate(lantern, "pavel"), strict.people(lantern)
    strict.prepare(lantern, pavel.pk, PAVELS, TODAY)
    strict_keys.add(lantern, pavel, rows, VERAS, by=None, now=NOW)
    before = strict.opened(lantern, strict.people(lantern), PAVELS)
    strict_keys.remove(lantern, pavel, strict.people(lantern), VERAS, by=None, now=NOW)
    lock(lantern, vault)
    with pytest.raises(StrictRefused):
        strict.hold(lantern, before, 8)
    for typed in (VERAS, OLGAS):
        unlock(lantern, typed)
        assert opens(lantern, vault) == {"link", *STRICT_KINDS}
        lock(lantern, vault)
    with pytest.raises(StrictRefused):
        unlock(lantern, PAVELS)


def test_the_last_two_stay(lantern: Any, two: Any) -> None:
    with pytest.raises(StrictRefused, match="At least two"):
        strict_keys.remove(lantern, two[1], strict.people(lantern), VERAS, by=None, now=NOW)
    assert len(strict.people(lantern)) == 2


def test_a_passphrase_is_changed(lantern: Any, vault: Any, two: Any) -> None:
    row = strict.people(lantern)[0]
    strict_keys.change(lantern, row, VERAS, PAVELS, by=two[0], now=NOW)
    lock(lantern, vault)
    with pytest.raises(StrictRefused):
        unlock(lantern, VERAS)
    unlock(lantern, PAVELS)


def test_a_change_that_is_interrupted_leaves_the_old_passphrase(
    lantern: Any, vault: Any, two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    row = strict.people(lantern)[0]
    with monkeypatch.context() as while_it_runs:
        while_it_runs.setattr(strict_keys, "record", killed)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            strict_keys.change(lantern, row, VERAS, PAVELS, by=None, now=NOW)
    lock(lantern, vault)
    with pytest.raises(StrictRefused):
        unlock(lantern, PAVELS)
    unlock(lantern, VERAS)


def test_of_two_changes_at_once_the_later_one_is_refused(lantern: Any, two: Any) -> None:
    first, second = strict.people(lantern)[0], strict.people(lantern)[0]
    strict_keys.change(lantern, first, VERAS, PAVELS, by=None, now=NOW)
    with pytest.raises(StrictRefused, match="meanwhile"):
        strict_keys.change(lantern, second, VERAS, OLGAS, by=None, now=NOW)
    assert strict.opened(lantern, [strict.people(lantern)[0]], PAVELS)


def test_nobody_changes_a_passphrase_without_the_old_one(lantern: Any, two: Any) -> None:
    row = strict.people(lantern)[0]
    with pytest.raises(StrictRefused, match="isn't the passphrase"):
        strict_keys.change(lantern, row, OLGAS, PAVELS, by=None, now=NOW)
    with pytest.raises(StrictRefused, match="too easy"):
        strict_keys.change(lantern, row, VERAS, "short", by=None, now=NOW)
    assert strict.opened(lantern, [row], VERAS)


def test_turned_off_the_instance_key_opens_it_again(lantern: Any, vault: Any, two: Any) -> None:
    with pytest.raises(StrictRefused):
        strict_keys.turn_off(lantern, strict.people(lantern), PAVELS, by=None, now=NOW)
    strict_keys.turn_off(lantern, strict.people(lantern), OLGAS, by=None, now=NOW)
    assert opens(lantern, SOURCE) == {"link", *STRICT_KINDS}
    assert not StrictKey.objects.exists()


def test_it_is_not_turned_off_while_it_is_locked(lantern: Any, vault: Any, two: Any) -> None:
    lock(lantern, vault)
    with pytest.raises(StrictRefused, match="Unlock it first"):
        strict_keys.turn_off(lantern, strict.people(lantern), OLGAS, by=None, now=NOW)


def test_who_writes_the_database_lets_nobody_in(lantern: Any, two: Any) -> None:
    mallory = teammate(lantern, "mallory")
    row = strict.prepare(lantern, mallory.pk, PAVELS, TODAY)
    StrictKey.objects.filter(pk=row.pk).update(public=seal.public_key(os.urandom(32)))
    with pytest.raises(StrictRefused, match="changed in the database"):
        strict_keys.add(lantern, mallory, strict.people(lantern), VERAS, by=None, now=NOW)


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("мой  дом у реки 12", unicodedata.normalize("NFD", " мой дом у реки 12 ")),
        ("lamps ❤ in the north", "lamps ❤\ufe0f in the north"),
        ("lantern 🕯 and rivers", "lantern 🕯 and rivers"),
        ("abcdefghij" * 100, "abcdefghij" * 100),
    ],
)
def test_a_passphrase_with_odd_characters_opens_however_it_is_typed(
    lantern: Any, two: Any, typed: str, again: str
) -> None:
    row = strict.people(lantern)[0]
    strict_keys.change(lantern, row, VERAS, typed, by=None, now=NOW)
    assert strict.opened(lantern, [row], again)


def test_the_key_server_lets_the_web_app_unlock_it_and_no_other_process(lantern: Any, two: Any) -> None:
    known = InstanceSource(INSTANCE_KEY)
    server = KeyServer(known, list, lambda uid: link_keys.box_key(known, uid), lambda *_owner: True)
    row = VaultKey.objects.get(organization=lantern, kind="data")
    strict_key = strict.opened(lantern, strict.people(lantern), VERAS)
    opened = base64.b64encode(bytes(row.wrapped)).decode()
    asked = {"hold": keyring.label_of(row, lantern), "opens": opened, "seconds": 60, FOLLOW: len(strict_key)}
    line = json.dumps(asked).encode()

    def given(count: int) -> bytes:
        return memoryview(strict_key)[:count].tobytes()

    for role in ("worker", "sender", "public", "lmtp"):
        assert "error" in server._answer(line, role, given)
        assert opens(lantern, known) == {"link"}
    assert server._answer(line, "desk", given) == {"held": True}
    assert opens(lantern, known) == {"link", *STRICT_KINDS}


def test_a_clock_that_is_set_back_keeps_nothing_open(
    lantern: Any, vault: Any, two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    strict.hold(lantern, strict.opened(lantern, strict.people(lantern), VERAS), 1e-9)
    assert vault.over()


def test_destroyed_keys_take_the_passphrases_along(lantern: Any, two: Any) -> None:
    key_locks.destroy(lantern, by=None, now=NOW)
    assert not StrictKey.objects.exists()


# -- shares of the strict key ------------------------------------------------------------------------------------------


def shared(organization: Any) -> list[str]:
    rows = strict.people(organization)
    _details, words, _mark = strict_keys.make_shares(organization, rows, VERAS, 2, 3, by=None, now=NOW)
    return words


def key_of(words: Sequence[str]) -> bytes:
    collected = shares.Collected()
    for each in words:
        collected.add(each)
    return collected.key()


@pytest.mark.parametrize("used", [(0, 1), (0, 2), (2, 1)])
def test_where_all_passphrases_are_forgotten_shares_give_a_person_a_new_one(
    lantern: Any, vault: Any, two: Any, used: tuple[int, int]
) -> None:
    words, pavel = shared(lantern), teammate(lantern, "pavel")
    lock(lantern, vault)
    key = key_of([words[each] for each in used])
    strict_keys.recover(lantern, pavel, key, PAVELS, by=None, now=NOW)
    assert opens(lantern, vault) == {"link"}, "it is still locked"
    unlock(lantern, PAVELS)
    assert opens(lantern, vault) == {"link", *STRICT_KINDS}
    vera = two[0]
    strict_keys.recover(lantern, vera, key, "six new words of Vera, snow", by=None, now=NOW)
    unlock(lantern, "six new words of Vera, snow")
    with pytest.raises(StrictRefused):
        strict.opened(lantern, strict.people(lantern), VERAS)
    assert len(strict.people(lantern)) == 3, "all others keep theirs"


def test_a_practice_proves_the_shares_and_unlocks_nothing(lantern: Any, vault: Any, two: Any) -> None:
    words, uid = shared(lantern), bytes(lantern.uid).hex()
    assert shares.sets(vault) == [], "shares of the instance key are others"
    [known] = shares.sets(vault, uid)
    lock(lantern, vault)
    assert strict_keys.practice_shares(lantern, key_of(words[1:]), known.details.identifier, by=None, now=NOW)
    assert [each.details.practiced for each in shares.sets(vault, uid)] == [TODAY]
    assert opens(lantern, vault) == {"link"} and locks.state(lantern) is not None
    unlock(lantern, VERAS)
    before = strict.seconds_left(lantern)
    strict_keys.practice_shares(lantern, key_of(words[1:]), known.details.identifier, by=None, now=NOW)
    assert before - 60 < strict.seconds_left(lantern) <= before


def test_shares_from_before_somebody_was_removed_open_nothing(lantern: Any, vault: Any, two: Any) -> None:
    pavel = teammate(lantern, "pavel")
    strict.prepare(lantern, pavel.pk, PAVELS, TODAY)
    strict_keys.add(lantern, pavel, strict.people(lantern), VERAS, by=None, now=NOW)
    words = shared(lantern)
    strict_keys.remove(lantern, pavel, strict.people(lantern), VERAS, by=None, now=NOW)
    assert shares.sets(vault, bytes(lantern.uid).hex()) == []
    with pytest.raises(StrictRefused, match="before a person was removed"):
        strict_keys.recover(lantern, pavel, key_of(words[:2]), PAVELS, by=None, now=NOW)
    assert len(strict.people(lantern)) == 2


def test_shares_of_another_key_give_nobody_a_passphrase(lantern: Any, two: Any) -> None:
    _details, words = shares.make(INSTANCE_KEY, 2, 3, TODAY, [])
    with pytest.raises(StrictRefused, match="don't open"):
        strict_keys.recover(lantern, two[0], key_of(words[:2]), PAVELS, by=None, now=NOW)
    assert strict.opened(lantern, strict.people(lantern), VERAS)


def test_pages_of_strict_shares_say_which_command_takes_them(lantern: Any, two: Any) -> None:
    rows = strict.people(lantern)
    details, words, mark = strict_keys.make_shares(lantern, rows, OLGAS, 2, 3, by=None, now=NOW)
    page = share_pages.as_html(words[0], 1, details, mark, "en")
    assert "Strict key share 1 of 3" in page and "samizdat keys strict recover" in page and "<svg" in page
    assert mark in page and mark != shares.fingerprint_of(SOURCE)
    assert share_pages.as_lines(words[0], 1, details, mark)[0].startswith("Strict key share 1 of 3")
