"""The instance key on paper: any shares that are enough give it back, and whatever else is entered is named."""

import re
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from bip39_slip39 import slip39

from samizdat.core.crypto import fingerprint
from samizdat.core.crypto.share_words import ShareError
from samizdat.vault import shares
from samizdat.vault.errors import SharesRefused
from samizdat.vault.models import ShareSet
from samizdat.vault.shares import Collected, SetDetails
from samizdat.vault.source import InstanceSource
from tests.conftest import TODAY

DOCS = (Path(__file__).parents[2] / "docs" / "key-formats.md").read_text()
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
FIRST_WORD = fingerprint.first_word(InstanceSource(KEY).derive(fingerprint.PURPOSE))


def made(key: bytes = KEY, threshold: int = 2, count: int = 3, before: Any = ()) -> tuple[SetDetails, list[str]]:
    return shares.make(key, threshold, count, TODAY, before)


def collected(*typed: str, first_word: int | None = None) -> Collected:
    entered = Collected(first_word)
    for each in typed:
        entered.add(each)
    return entered


@pytest.mark.parametrize(("threshold", "count"), [(2, 2), (2, 3), (3, 5), (16, 16)])
def test_any_shares_that_are_enough_give_the_key_back(threshold: int, count: int) -> None:
    _details, words = made(threshold=threshold, count=count)
    for some in combinations(words, threshold):
        assert collected(*some).key() == KEY


def test_another_library_reads_our_shares_and_we_read_its_own() -> None:
    _details, words = made()
    for some in combinations(words, 2):
        assert slip39.master_secret_from_mnemonics(some) == KEY
    [theirs] = slip39.mnemonics_from_master_secret(KEY, ((2, 3),), iteration_exponent=0)
    assert collected(*theirs[1:]).key() == KEY


def test_the_shares_of_the_handbook_give_its_key() -> None:
    words = re.findall(r"^traffic fragment .*$", DOCS, re.MULTILINE)
    assert collected(*words, first_word=FIRST_WORD).key() == KEY


def test_all_shares_of_an_installation_begin_with_one_word_and_those_of_a_set_with_two() -> None:
    first, words = made()
    second, others = made(before=[first])
    assert {" ".join(each.split()[:2]) for each in words} == {first.first_words}
    assert {" ".join(each.split()[:2]) for each in others} == {second.first_words}
    assert first.first_words.split()[0] == second.first_words.split()[0]
    assert first.first_words != second.first_words


def test_no_two_of_thirty_two_sets_begin_with_the_same_words() -> None:
    before: list[SetDetails] = []
    for _number in range(40):
        before.append(made(before=before)[0])
    assert len({details.identifier for details in before[-32:]}) == 32


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (0, 0), (4, 3), (2, 17), (-1, 2)])
def test_a_threshold_that_protects_nothing_or_cannot_be_reached_is_refused(threshold: int, count: int) -> None:
    with pytest.raises(SharesRefused, match="--threshold 2 --of 3"):
        made(threshold=threshold, count=count)


def test_too_few_shares_are_counted() -> None:
    _details, words = made(threshold=3, count=5)
    with pytest.raises(SharesRefused, match="2 more needed"):
        collected(words[4]).key()
    with pytest.raises(SharesRefused, match="No share was entered"):
        collected().key()


def test_a_share_that_was_entered_already_is_no_second_one() -> None:
    _details, words = made()
    entered = collected(words[1])
    with pytest.raises(ShareError, match="Share 2 was entered already"):
        entered.add(words[1].upper())
    entered.add(words[2])
    assert entered.key() == KEY


def test_shares_of_two_sets_are_named_so_whatever_they_begin_with() -> None:
    first, words = made()
    _second, others = made(before=[first])
    entered = collected(words[0])
    with pytest.raises(ShareError, match="another set"):
        entered.add(others[1])
    entered.add(words[1])
    assert entered.key() == KEY


def test_shares_of_two_sets_with_the_same_first_words_give_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in 32, when a set was made elsewhere with the same key."""
    monkeypatch.setattr(shares, "_new_identifier", lambda _key, _before: FIRST_WORD << 5)
    words, others = made()[1], made()[1]
    with pytest.raises(SharesRefused, match="don't go together"):
        collected(words[0], others[1]).key()
    with pytest.raises(ShareError, match="two different shares with number 1"):
        collected(words[0], others[0])


def test_a_share_of_another_installation_is_named_so() -> None:
    _details, others = made(OTHER_KEY)
    with pytest.raises(
        ShareError, match=r"another installation: it begins with “\w+”, those of this one with “traffic”"
    ):
        collected(others[0], first_word=FIRST_WORD)
    with pytest.raises(ShareError, match="another installation than the first one"):
        collected(made()[1][0], others[1])


def test_one_altered_word_leaves_what_was_entered_before() -> None:
    _details, words = made()
    entered = collected(words[0])
    altered = words[1].split()
    altered[20] = "academic" if altered[20] != "academic" else "zero"
    with pytest.raises(ShareError, match="Word 21 is probably wrong"):
        entered.add(" ".join(altered))
    entered.add(words[1])
    assert entered.key() == KEY


@pytest.mark.django_db
def test_a_set_is_remembered_with_its_days_and_none_of_its_words(vault: Any) -> None:
    details, words = made()
    shares.remember_new(details, vault)
    assert [known.details for known in shares.sets(vault)] == [details]
    practiced = shares.remember_practice(details.identifier, date(2026, 12, 24), vault)
    assert practiced is not None
    assert shares.sets(vault)[0].details.practiced == date(2026, 12, 24)
    assert shares.remember_practice(details.identifier ^ 1, TODAY, vault) is None
    stored = bytes(ShareSet.objects.get().wrapped)
    assert b"threshold" not in stored
    assert not any(word.encode() in stored for word in words[0].split())


@pytest.mark.django_db
def test_a_set_that_somebody_wrote_or_moved_to_another_row_counts_for_nothing(vault: Any) -> None:
    shares.remember_new(made()[0], vault)
    ShareSet.objects.create(wrapped=ShareSet.objects.get().wrapped)
    ShareSet.objects.create(wrapped=b"made up")
    assert len(shares.sets(vault)) == 1
