"""The ledger: moves, books, chunks, the journal, and what a crash leaves."""

import itertools
from collections import Counter
from itertools import product
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.mail import ledger
from samizdat.core.mail.ledger import MOVES, IllegalMove, JournalNews, JournalRecord, State, step
from samizdat.core.mail.outcome import Accepted, Deferred, Refused, Unsure

HEADER = ledger.Header(bytes(range(16)), 7, bytes(16))

# What servers, crashes and people can tell about one message, in any order.
HEARD = (
    JournalNews.RETURNED,
    JournalNews.ACCEPTED,
    JournalNews.DEFERRED,
    JournalNews.REFUSED,
    JournalNews.UNSURE,
    JournalNews.SUPPRESSED,
    JournalNews.CANCELLED,
)


# --- moves ---


@pytest.mark.parametrize(
    ("state", "news", "following"),
    [
        (State.PENDING, JournalNews.ACCEPTED, State.ACCEPTED),
        (State.PENDING, JournalNews.RETURNED, State.PENDING),
        (State.DEFERRED, JournalNews.ACCEPTED, State.ACCEPTED),
        (State.DEFERRED, JournalNews.EXPIRED, State.REFUSED),
        (State.UNSURE, JournalNews.ACCEPTED, State.ACCEPTED),
        (State.UNSURE, JournalNews.DEFERRED, State.UNSURE),
        (State.UNSURE, JournalNews.CANCELLED, State.UNSURE),
        (State.ACCEPTED, JournalNews.REFUSED, State.ACCEPTED),
    ],
)
def test_a_message_moves_by_the_table(state: State, news: JournalNews, following: State) -> None:
    assert step(state, news) == following


@pytest.mark.parametrize("state", [State.PENDING, State.ACCEPTED, State.SUPPRESSED, State.CANCELLED])
def test_nobody_expires_who_is_not_being_tried_again(state: State) -> None:
    with pytest.raises(IllegalMove, match="cannot be expired"):
        step(state, JournalNews.EXPIRED)


def test_everything_that_can_be_heard_has_a_place_in_the_table() -> None:
    assert all((state, news) in MOVES for state, news in product(State, HEARD))


@given(
    st.lists(st.sampled_from(HEARD), max_size=8).flatmap(lambda news: st.tuples(st.just(news), st.permutations(news)))
)
def test_the_order_of_news_and_its_repetition_do_not_matter(
    orders: tuple[list[JournalNews], list[JournalNews]],
) -> None:
    first, second = orders

    def after(news: list[JournalNews]) -> State:
        state = State.PENDING
        for piece in news:
            state = step(state, piece)
        return state

    assert after(first) == after(second) == after(first + second)


def test_an_answer_that_blames_the_route_says_nothing_of_the_recipient() -> None:
    assert ledger.news_of(Deferred(451, "later", "recipient")) == JournalNews.DEFERRED
    assert ledger.news_of(Deferred(554, "account suspended", "route")) == JournalNews.RETURNED
    assert ledger.news_of(Accepted()) == JournalNews.ACCEPTED
    assert ledger.news_of(Refused(550, "no", "recipient")) == JournalNews.REFUSED
    assert ledger.news_of(Unsure("hung up")) == JournalNews.UNSURE


# --- books ---


@given(st.lists(st.sampled_from(list(State))), st.data())
def test_the_books_always_add_up(states: list[State], data: st.DataObject) -> None:
    moves = []
    following = []
    for state in states:
        news = data.draw(st.sampled_from(HEARD))
        moves.append((state, step(state, news)))
        following.append(step(state, news))
    before, after = ledger.books(states), ledger.books(following)
    assert before.adds_up and after.adds_up
    changed = ledger.changes(Counter(moves))
    for state in State:
        name = ledger.STATES[state]
        assert getattr(before, name) + changed.get(state, 0) == getattr(after, name)
    assert sum(changed.values()) == 0


# --- chunks ---


@given(st.lists(st.integers(0, 2**64 - 1), max_size=500))
def test_numbers_come_out_of_a_chunk_as_they_went_in(numbers: list[int]) -> None:
    blob = ledger.pack_numbers(numbers)
    assert list(ledger.unpack_numbers(blob)) == numbers
    assert len(blob) == 8 * len(numbers)


def test_the_layout_of_a_chunk_never_changes() -> None:
    assert ledger.pack_numbers([1, 0x0102030405]).hex() == "00000000000000010000000102030405"


# --- the journal ---


def journal(records: list[JournalRecord], header: ledger.Header = HEADER) -> bytes:
    head = ledger.pack_header(header)
    start = ledger.seed(head)
    return head + b"".join(
        ledger.pack_s(start, r.chunk, r.number, r.route) if r.kind == ledger.S else ledger.pack_r(start, r)
        for r in records
    )


RECORDS = st.builds(
    JournalRecord,
    kind=st.sampled_from([ledger.S, ledger.R]),
    chunk=st.integers(1, 4),
    number=st.integers(1, 6),
    news=st.sampled_from(
        [JournalNews.RETURNED, JournalNews.ACCEPTED, JournalNews.DEFERRED, JournalNews.REFUSED, JournalNews.UNSURE]
    ),
    answer=st.integers(0, 255),
    code=st.integers(0, 999),
    route=st.integers(0, 2**32 - 1),
    wait=st.integers(0, 65535),
)


@given(st.lists(RECORDS, max_size=30))
def test_a_journal_reads_back_as_it_was_written(records: list[JournalRecord]) -> None:
    written = [JournalRecord(ledger.S, r.chunk, r.number, route=r.route) if r.kind == ledger.S else r for r in records]
    assert list(ledger.read_journal(journal(records))) == written
    assert ledger.read_header(journal(records)) == HEADER


@given(st.lists(RECORDS, min_size=1, max_size=10), st.data())
def test_a_torn_tail_loses_only_itself(records: list[JournalRecord], data: st.DataObject) -> None:
    whole = journal(records)
    cut = data.draw(st.integers(ledger.HEADER_BYTES, len(whole)))
    kept = (cut - ledger.HEADER_BYTES) // ledger.RECORD_BYTES
    every = list(ledger.read_journal(whole))
    assert list(ledger.read_journal(whole[:cut])) == every[:kept]
    # Reserved space that was never written, or a page that never reached the disk. Bytes that were nought anyway are
    # not missed.
    end = ledger.HEADER_BYTES + (kept + 1) * ledger.RECORD_BYTES
    kept += kept < len(every) and not any(whole[cut:end])
    assert list(ledger.read_journal(whole[:cut] + bytes(500))) == every[:kept]


@given(st.lists(RECORDS, min_size=2, max_size=10), st.data())
def test_a_damaged_record_is_passed_over_and_the_next_one_read(
    records: list[JournalRecord], data: st.DataObject
) -> None:
    whole = bytearray(journal(records))
    place = data.draw(st.integers(0, len(records) - 1))
    at = ledger.HEADER_BYTES + place * ledger.RECORD_BYTES + data.draw(st.integers(0, ledger.RECORD_BYTES - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    every = list(ledger.read_journal(journal(records)))
    assert list(ledger.read_journal(bytes(whole))) == every[:place] + every[place + 1 :]


@pytest.mark.parametrize("data", [b"", b"SMZ", bytes(200), b"x" * 64])
def test_what_is_no_journal_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ledger.NoJournal):
        list(ledger.read_journal(data))


def test_records_of_another_journal_do_not_pass_in_this_one() -> None:
    mine = journal([JournalRecord(ledger.R, 1, 1, JournalNews.ACCEPTED)])
    other = journal([JournalRecord(ledger.R, 1, 2, JournalNews.ACCEPTED)], ledger.Header(HEADER.boot, 8, HEADER.folder))
    mixed = mine + other[ledger.HEADER_BYTES :]
    assert [record.number for record in ledger.read_journal(mixed)] == [1]


# --- recovery ---


@given(st.lists(RECORDS, max_size=40), st.booleans())
def test_after_a_crash_nobody_is_lost_and_nobody_is_two_things(records: list[JournalRecord], exact: bool) -> None:
    folded = ledger.fold(records)
    claims = {chunk: list(range(1, 8)) for chunk in (1, 2)}
    found = ledger.recover(folded, claims, exact)
    for chunk, numbers in claims.items():
        heard = [number for number in numbers if (chunk, number) in folded.heard]
        unsure, ready = found.unsure[chunk], found.ready[chunk]
        assert sorted({*heard, *unsure, *ready}) == numbers
        assert not {*ready} & {*heard, *unsure}
        if not exact:
            assert not ready  # S records may be missing: nothing is sent again on a guess.


@given(st.lists(RECORDS, max_size=40))
def test_a_journal_that_is_read_twice_says_nothing_new(records: list[JournalRecord]) -> None:
    once, twice = ledger.fold(records), ledger.fold(records + records)
    assert {key: record.news for key, record in once.heard.items()} == {
        key: record.news for key, record in twice.heard.items()
    }
    assert once.open == twice.open


def test_only_what_was_being_finished_is_in_doubt_after_a_kill() -> None:
    folded = ledger.fold(
        [
            JournalRecord(ledger.S, 1, 10),
            JournalRecord(ledger.R, 1, 10, JournalNews.ACCEPTED),
            JournalRecord(ledger.S, 1, 11),
            JournalRecord(ledger.S, 1, 12),
            JournalRecord(ledger.R, 1, 12, JournalNews.RETURNED),
        ]
    )
    found = ledger.recover(folded, {1: [10, 11, 12, 13]}, exact=True)
    assert found.unsure == {1: [11]}
    assert found.ready == {1: [12, 13]}  # Refused because of the route, and never begun.


def test_after_a_power_cut_the_whole_window_is_in_doubt() -> None:
    folded = ledger.fold([JournalRecord(ledger.S, 1, 10), JournalRecord(ledger.R, 1, 10, JournalNews.ACCEPTED)])
    found = ledger.recover(folded, {1: [10, 11, 12]}, exact=False)
    assert found.unsure == {1: [11, 12]}
    assert found.ready == {1: []}


STRONGEST_FIRST = (JournalNews.ACCEPTED, JournalNews.REFUSED, JournalNews.UNSURE, JournalNews.DEFERRED)


@pytest.mark.parametrize(("stronger", "weaker"), itertools.combinations(STRONGEST_FIRST, 2))
def test_of_two_answers_in_a_journal_the_stronger_counts_in_whichever_order(
    stronger: JournalNews, weaker: JournalNews
) -> None:
    for order in ((stronger, weaker), (weaker, stronger)):
        folded = ledger.fold(JournalRecord(ledger.R, 1, 10, news) for news in order)
        assert folded.heard[1, 10].news == stronger


@pytest.mark.parametrize("at", range(ledger.HEADER_BYTES))
def test_a_header_with_one_wrong_byte_is_none(at: int) -> None:
    head = bytearray(ledger.pack_header(HEADER))
    head[at] ^= 1
    with pytest.raises(ledger.NoJournal):
        ledger.read_header(bytes(head))


def test_a_journal_of_another_version_is_none() -> None:
    head = bytearray(ledger.pack_header(HEADER))
    for at, value in ((9, ledger.VERSION + 1), (11, ledger.RECORD_BYTES + 8)):
        other = head.copy()
        other[at] = value
        other[-4:] = crc32(other[:-4]).to_bytes(4)
        with pytest.raises(ledger.NoJournal, match="version"):
            ledger.read_header(bytes(other))


def test_a_second_try_left_open_is_in_doubt_whatever_the_first_one_said() -> None:
    folded = ledger.fold(
        [
            JournalRecord(ledger.S, 1, 10),
            JournalRecord(ledger.R, 1, 10, JournalNews.DEFERRED),
            JournalRecord(ledger.S, 2, 10),
        ]
    )
    assert ledger.recover(folded, {2: [10]}, exact=True).unsure == {2: [10]}
