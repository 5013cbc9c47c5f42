"""What people type of a share: read where it can be, and else one sentence that says which word to look at."""

import random
import re
from pathlib import Path

import pytest
from shamir_mnemonic import generate_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from samizdat.core.crypto import share_words
from samizdat.core.crypto.share_words import ShareError

DOCS = (Path(__file__).parents[2] / "docs" / "key-formats.md").read_text()
WORDS = re.findall(r"^traffic fragment .*$", DOCS, re.MULTILINE)[0].split()
TYPED = " ".join(WORDS)


@pytest.mark.parametrize(
    "typed",
    [
        TYPED.upper(),
        " ".join(word[:4] for word in WORDS),
        "\n".join(f"{place}. {word}," for place, word in enumerate(WORDS, 1)),
    ],
    ids=["capitals", "four letters", "numbered"],
)
def test_a_share_is_read_as_people_type_it(typed: str) -> None:
    assert share_words.share(typed) == share_words.share(TYPED)


def test_each_word_of_the_list_is_known_by_its_first_four_letters() -> None:
    assert len({word[: share_words.LETTERS] for word in WORDLIST}) == len(WORDLIST) == 1024


@pytest.mark.parametrize("place", range(1, 34))
def test_one_altered_word_is_found_wherever_it_stands(place: int) -> None:
    """And never corrected: whoever is told a word believes it."""
    words = [*WORDS]
    words[place - 1] = "academic" if words[place - 1] != "academic" else "zero"
    with pytest.raises(ShareError, match=rf"^Word {place} is probably wrong") as error:
        share_words.share(" ".join(words))
    assert WORDS[place - 1] not in str(error.value).split()


def test_two_altered_words_are_never_taken_for_a_share() -> None:
    chance = random.Random(17)
    for _try in range(20):
        words = [*WORDS]
        for place in chance.sample(range(33), 2):
            words[place] = chance.choice([word for word in WORDLIST if word != words[place]])
        with pytest.raises(ShareError, match="checksum"):
            share_words.share(" ".join(words))


def test_a_word_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(ShareError, match=r"Word 3, “academik”, isn't a word of the list. Is it “academic”\?"):
        share_words.share(TYPED.replace("academic", "academik"))
    with pytest.raises(ShareError, match="Word 1, “слово”"):
        share_words.share(f"слово {TYPED}")


def test_a_missing_word_is_counted() -> None:
    with pytest.raises(ShareError, match="33 words, and these are 32"):
        share_words.share(" ".join(WORDS[:-1]))


def test_a_share_that_another_program_made_is_named_so() -> None:
    """Of a wallet: the same words, another layout."""
    [[first, *_more]] = generate_mnemonics(1, [(2, 3)], bytes(range(32)), iteration_exponent=1)
    [_group, [grouped, *_others]] = generate_mnemonics(2, [(2, 3), (2, 3)], bytes(range(32)), iteration_exponent=0)
    [[old, *_rest]] = generate_mnemonics(1, [(2, 3)], bytes(range(32)), extendable=False, iteration_exponent=0)
    for typed in (first, grouped, old):
        with pytest.raises(ShareError):
            share_words.share(typed)
