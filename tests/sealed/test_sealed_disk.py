"""T1: a copied disk, backup or dump names nobody, and confirms nobody that the copier already suspects.

A house is lived in by its real processes (living.py) and killed in the middle of work. Then every byte of its data
folder, of its temporary folder and of its streams is searched, every value of every table as well; on PostgreSQL the
tables stand in for the dump. The key file lies beside the data folder and is left out.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from samizdat.core.crypto import seal
from tests.sealed import living
from tests.sealed.digests import GUESSES, keyed_marks, plain_marks, windows
from tests.sealed.living import LOCAL, PEOPLE, SHARES, WORDS, Life, address
from tests.sealed.searching import Searcher, taken
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import Instance, make_instance

CANDIDATES = 10_000


@dataclass
class Seized:
    """What the one who took the disk has, and, apart from it, what only the key file opens."""

    held: dict[str, bytes]
    values: list[bytes]
    seen: dict[str, Any]
    keys: list[bytes]
    index_key: bytes
    instance: Instance


@pytest.fixture(scope="module")
def seized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seized]:
    folder = tmp_path_factory.mktemp("seized")
    temporary = folder / "tmp"
    temporary.mkdir()
    for instance in make_instance(folder, people=False):
        instance.environment["TMPDIR"] = str(temporary)
        with ScriptedServer(users={living.ROUTE_USER: living.ROUTE_PASSWORD}) as server:
            work = tmp_path_factory.mktemp("hands")
            life = Life(instance, server, work)
            life.live()
        held, values = taken(instance, temporary, tmp_path_factory.mktemp("copy"))
        keys = instance.python(KEYS)
        found = [bytes.fromhex(key) for key in keys["all"]]
        yield Seized(held, values, life.seen, found, bytes.fromhex(keys["index"]), instance)


# All secrets that the key file opens, as hexadecimal.
KEYS = """
from samizdat.accounts.models import Organization
from samizdat.delivery.models import DkimKey
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
from samizdat.vault.purposes import PURPOSES
source, organization = keyring.open_source(), Organization.objects.get()
held = [
    source.unwrap(keyring.label_of(row, organization), bytes(row.wrapped))
    for row in VaultKey.objects.filter(organization=organization)
]
held += [keyring.derive(name) for name in PURPOSES]
keys = keyring.keys(organization)
signing = [keys.open(row.private_sealed, "dkimkey", "private", row.pk) for row in DkimKey.objects.all()]
# Of an Ed25519 key the last 32 bytes, of an RSA key any piece of its DER would do.
held += [piece for key in signing for piece in (key[-32:], key[len(key) // 2 :][:48])]
print(json.dumps({"all": [key.hex() for key in held], "index": keys.index[keys.index_version].hex()}))
"""


def test_nothing_that_was_taken_names_anybody(seized: Seized) -> None:
    searcher = Searcher(WORDS)
    assert {name: hits for name, held in seized.held.items() if (hits := searcher.hits(held))} == {}


def test_no_key_lies_beside_what_it_opens(seized: Seized) -> None:
    assert len(seized.keys) >= 10
    searcher = Searcher(seized.keys)
    assert {name: hits for name, held in seized.held.items() if (hits := searcher.hits(held))} == {}


def test_all_of_it_was_lived(seized: Seized) -> None:
    """Else there would be nothing to find."""
    seen = seized.seen
    assert seen["import"]["added"] == PEOPLE and seen["import"]["rejected"] == 1
    assert seen["again"]["updated"] == PEOPLE
    letter = seen["letter"]
    assert letter["frozen"] == SHARES["subscribed"]
    assert (letter["refused"], letter["deferred"], letter["unsure"]) == (16, 4, 1)
    assert letter["accepted"] == letter["frozen"] - 21
    assert seen["left"] == 2 and seen["moved"] and seen["export"] == "over"
    assert seen["pieces"] >= 1 and "found" in seen["states"]
    assert any("journals" in name for name in seized.held)
    if not seized.instance.environment.get("DATABASE_URL"):
        logs = [name for name in seized.held if name.endswith("-wal")]
        assert logs and any(seized.held[name] for name in logs), "killed: the write-ahead logs are still there"


def test_what_is_sealed_is_there(seized: Seized) -> None:
    """With the key the same disk says everything: the search did not look past it."""
    shown = json.loads(seized.instance.run("-m", "samizdat.cli", "subscribers", "show", address(50), "--json"))
    assert shown["address"] == address(50) and living.FIRST in json.dumps(shown)


def test_the_search_would_find_a_planted_address_among_what_was_taken(seized: Seized) -> None:
    name, held = max(seized.held.items(), key=lambda pair: len(pair[1]))
    middle = len(held) // 2
    assert Searcher([LOCAL]).hits(held[:middle] + zlib.compress(f"1,{address(77)},Riga".encode()) + held[middle:]), name


# -- nobody is confirmed without the key ------------------------------------------------------------------------


def candidates() -> list[str]:
    """Everybody who is here, among many who are not."""
    strangers = [f"stranger.{number}@mail{number % 50}.example" for number in range(CANDIDATES - PEOPLE)]
    return [address(number) for number in range(PEOPLE)] + strangers


def test_nobody_can_be_confirmed_without_the_key(seized: Seized) -> None:
    held = windows(seized.values)
    confirmed = []
    # Everybody who is here and, against marks that are met by chance, every tenth who is not: 120 digests for each.
    for candidate in [*candidates()[:PEOPLE], *candidates()[PEOPLE::10]]:
        texts = {
            candidate.encode(),
            candidate.upper().encode(),
            f"{candidate}\n".encode(),
            candidate.encode("utf-16-le"),
        }
        marks = {mark for text in texts for mark in plain_marks(text)} | {*keyed_marks(candidate.encode(), GUESSES)}
        if not marks.isdisjoint(held):
            confirmed.append(candidate)
    assert confirmed == []


def test_nothing_in_the_database_is_the_key_of_its_indices(seized: Seized) -> None:
    """Every short value is tried as the key: uids, wrapped keys, digests, public keys and the indices themselves."""
    held = windows(seized.values)
    keys = {value for value in seized.values if 8 <= len(value) <= 128}
    keys |= {value[at : at + 32] for value in seized.values if 32 < len(value) <= 128 for at in range(len(value) - 31)}
    assert held.isdisjoint(keyed_marks(address(970).encode(), keys)), "a key confirms one like all"


def test_with_the_key_the_same_question_names_exactly_those_who_are_here(seized: Seized) -> None:
    """One was erased: their keyed mark stays, so that no import brings them back."""
    held = windows(seized.values)
    named = [one for one in candidates() if seal.blind(seized.index_key, one) in held]
    assert named == [address(number) for number in range(PEOPLE)]
