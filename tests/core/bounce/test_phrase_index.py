"""Which phrases a text has: as a search for each of them would say."""

from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.bounce.phrases import PhraseIndex

WORDS = st.sampled_from(
    ["no", "user", "users", "unknown", "unknownly", "ip", "ips", "such", "is", "full", "over", "quota", "voll", "ящик"]
)
PHRASES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=12, unique=True)
SPACES = st.sampled_from([" ", "-", ", ", ": ", "_", ""])


@given(phrases=PHRASES, words=st.lists(st.tuples(WORDS, SPACES), max_size=12))
def test_each_phrase_of_whole_words_is_seen_and_no_other(phrases: list[str], words: list[tuple[str, str]]) -> None:
    text = "".join(part for pair in words for part in pair)
    ranks = PhraseIndex(enumerate(phrases)).ranks(text)
    assert ranks <= {rank for rank, phrase in enumerate(phrases) if phrase in text}
    assert ranks >= {rank for rank, phrase in enumerate(phrases) if f" {phrase} " in f" {text} "}


@given(phrase=PHRASES.map(lambda phrases: phrases[0]), ending=st.sampled_from(["s", "ly", "ing", ".", ""]))
def test_the_last_word_of_a_phrase_may_be_the_beginning_of_a_longer_one(phrase: str, ending: str) -> None:
    index = PhraseIndex([(0, phrase), (1, "mailbox is frozen"), (2, "user is gone")])
    assert 0 in index.ranks(f"550 {phrase} frozen")
    # What begins so is known by three letters at least.
    if len(phrase.rpartition(" ")[2]) >= 3:
        assert 0 in index.ranks(f"550 {phrase}{ending}")


def test_what_stands_between_two_parts_is_anything() -> None:
    index = PhraseIndex([(7, "mailbox * is full")])
    assert index.ranks("the mailbox of ada@reader.example is full") == {7}
    assert index.ranks("is full: the mailbox of ada@reader.example") == set()
