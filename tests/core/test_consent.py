"""May I write to them? A table of logs and answers."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import permutations, product

import pytest

from samizdat.core import consent
from samizdat.core.consent import MERGES, ConsentFact, Permission, Refusal, code, may, merge_status, status, strongest

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RIGA, PRAGUE = 1, 2


def fact(
    kind: str, day: int = 1, way: str = "form", order: int = 0, list: int = RIGA, purpose: str = "newsletter"
) -> ConsentFact:
    """A record of that day in November 2026."""
    return ConsentFact(kind, list, purpose, date(2026, 11, day), way, "a test", order)


def _all(kind: str, day: int) -> ConsentFact:
    """At the desk, of every list."""
    return fact(kind, day, "desk", list=consent.ALL_LISTS)


def answer(*records: ConsentFact, list: int = RIGA, purpose: str = "newsletter", suppressed: str | None = None) -> str:
    verdict = may(records, list, purpose, NOW, suppressed)
    return f"yes, {verdict.reason}" if isinstance(verdict, Permission) else verdict.reason


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "never_agreed"),
        ([fact("given", way="import")], "yes, given"),
        ([fact("asked")], "not_confirmed"),
        ([fact("asked"), fact("confirmed", 2)], "yes, confirmed"),
        ([fact("asked"), fact("given", 2, "import")], "yes, given"),
        ([fact("withdrawn", way="import")], "left"),
        ([fact("cleaned", way="import")], "cleaned"),
        ([fact("objected", way="desk")], "objected"),
        # The last word wins, by day and then by order, however the log is read.
        ([fact("given"), fact("withdrawn", 2)], "left"),
        ([fact("withdrawn", 2), fact("given", 1)], "left"),
        ([fact("confirmed", 1, order=1), fact("withdrawn", 1, order=2)], "left"),
        ([fact("withdrawn", 1, order=1), fact("confirmed", 1, order=2)], "yes, confirmed"),
        ([fact("confirmed", 1), fact("withdrawn", 2), fact("confirmed", 3)], "yes, confirmed"),
        # A stranger who types somebody's address into the form neither silences nor subscribes them.
        ([fact("confirmed", 1), fact("asked", 2)], "yes, confirmed"),
        ([fact("withdrawn", 1), fact("asked", 2)], "left"),
        ([fact("withdrawn", 1), fact("asked", 2), fact("given", 3, "import")], "left"),
        ([fact("withdrawn", 1), fact("asked", 2), fact("confirmed", 3)], "yes, confirmed"),
        # Nothing in a file brings back who left; a person at the desk may note what they said.
        ([fact("withdrawn", 1), fact("given", 2, "import")], "left"),
        ([fact("withdrawn", 1), fact("given", 2, "api")], "left"),
        ([fact("withdrawn", 1), fact("given", 2, "desk")], "yes, given"),
        ([fact("cleaned", 1), fact("given", 2, "desk")], "cleaned"),
        ([fact("cleaned", 1), fact("given", 2, "import")], "cleaned"),
        ([fact("cleaned", 1), fact("confirmed", 2)], "yes, confirmed"),
        ([fact("objected", 1), fact("given", 2, "desk")], "objected"),
        ([fact("objected", 1), fact("asked", 2)], "objected"),
        ([fact("objected", 1), fact("confirmed", 2)], "yes, confirmed"),
        ([fact("objected", 1), fact("withdrawn", 2)], "objected"),
        # The undo button gives back what was, and no more.
        ([fact("confirmed", 1), fact("withdrawn", 2), fact("returned", 3, "one-click")], "yes, confirmed"),
        ([fact("asked", 1), fact("withdrawn", 2), fact("returned", 3, "one-click")], "not_confirmed"),
        ([fact("withdrawn", 2), fact("returned", 3, "one-click")], "never_agreed"),
        ([fact("given", 1), fact("cleaned", 2), fact("returned", 3)], "cleaned"),
        ([fact("returned", 3)], "never_agreed"),
        ([fact("confirmed", 1), fact("returned", 3)], "yes, confirmed"),
        # What the desk takes back of its own is as if it had not been; what the subscriber or a file said stays.
        ([fact("given", 1, "desk"), fact("undone", 2, "desk")], "never_agreed"),
        ([fact("asked", 1), fact("given", 2, "desk"), fact("undone", 3, "desk")], "not_confirmed"),
        ([fact("withdrawn", 1), fact("given", 2, "desk"), fact("undone", 3, "desk")], "left"),
        ([fact("given", 1, "desk"), fact("confirmed", 2), fact("undone", 3, "desk")], "yes, confirmed"),
        ([fact("given", 1, "import"), fact("undone", 2, "desk")], "yes, given"),
        ([fact("given", 1, "desk"), fact("withdrawn", 2), fact("undone", 3, "desk")], "left"),
        ([fact("given", 1, "desk"), fact("cleaned", 2), fact("undone", 3, "desk")], "cleaned"),
        ([fact("given", 1), _all("objected", 2), _all("undone", 3)], "yes, given"),
        ([fact("given", 1), fact("withdrawn", 2), _all("objected", 3), _all("undone", 4)], "left"),
        ([fact("given", 1), _all("objected", 2), fact("undone", 3, "desk")], "objected"),
        ([fact("given", 1), _all("objected", 2), fact("withdrawn", 3), _all("undone", 4)], "left"),
        ([fact("given", 1), _all("objected", 2), fact("withdrawn", 3)], "objected"),
        ([fact("given", 1, "desk"), _all("undone", 2)], "yes, given"),
        # A yes from the future is a mistyped year; tomorrow is today in Kiritimati; a no counts at once.
        ([fact("given", 27)], "never_agreed"),
        ([fact("given", 26)], "yes, given"),
        ([fact("given", 1), fact("withdrawn", 30)], "left"),
        # Another list or purpose says nothing here.
        ([fact("given", list=PRAGUE)], "never_agreed"),
        ([fact("given"), fact("withdrawn", 2, list=PRAGUE)], "yes, given"),
        ([fact("given", purpose="fundraising")], "never_agreed"),
        ([fact("given"), fact("withdrawn", 2, purpose="fundraising")], "yes, given"),
        ([fact("given"), fact("cleaned", 2, purpose="fundraising")], "cleaned"),
        # Nor is a yes to appeals one to letters.
        ([fact("given", purpose="fundraising"), fact("withdrawn", 2)], "left"),
        # A no to all lists counts on each; a yes to all lists does not exist.
        ([fact("given"), fact("objected", 2, list=consent.ALL_LISTS)], "objected"),
        ([fact("given", list=consent.ALL_LISTS)], "never_agreed"),
    ],
)
def test_the_log_gives_the_answer(records, expected):
    for order in permutations(records):
        assert answer(*order) == expected


def asks(kind: str, day: int = 1, way: str = "form", **about: int) -> ConsentFact:
    return fact(kind, day, way, purpose="fundraising", **about)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([fact("given")], "never_agreed"),
        ([fact("given"), asks("given")], "yes, given"),
        ([fact("asked"), asks("asked"), fact("confirmed", 2), asks("confirmed", 2)], "yes, confirmed"),
        # An appeal is a letter of its list: without a yes to those it is the same no.
        ([asks("given")], "never_agreed"),
        ([fact("asked"), asks("given")], "not_confirmed"),
        ([asks("given"), fact("given", 2)], "yes, given"),
        # Appeals are left by themselves, and with the list.
        ([fact("given"), asks("given"), asks("withdrawn", 2)], "left"),
        ([fact("given"), asks("given"), asks("withdrawn", 2), asks("returned", 3)], "yes, given"),
        ([fact("given"), asks("given"), fact("withdrawn", 2)], "left"),
        ([fact("given"), asks("given"), fact("withdrawn", 2), fact("returned", 3)], "yes, given"),
        ([fact("given"), asks("given"), fact("objected", 2, list=consent.ALL_LISTS)], "objected"),
        # Who comes back to the letters has not agreed to appeals again.
        ([fact("given"), asks("given"), fact("withdrawn", 2), fact("confirmed", 3)], "left"),
        # Taking one leaving back does not take back the other.
        ([fact("given"), asks("given"), asks("withdrawn", 2), fact("withdrawn", 3), fact("returned", 4)], "left"),
        ([fact("given"), asks("given"), fact("withdrawn", 2), asks("withdrawn", 3), fact("returned", 4)], "left"),
        ([fact("given"), asks("given"), fact("withdrawn", 2), asks("returned", 3)], "left"),
        ([fact("given"), asks("given"), fact("cleaned", 2)], "cleaned"),
        # Nor does it make a yes of an old one, in whichever order they left both and took that back.
        (
            [
                fact("given"),
                asks("given"),
                asks("withdrawn", 2),
                fact("withdrawn", 3),
                asks("returned", 4),
                fact("confirmed", 5),
            ],
            "left",
        ),
        (
            [
                fact("given"),
                asks("given"),
                fact("withdrawn", 2),
                asks("withdrawn", 3),
                asks("returned", 4),
                fact("confirmed", 5),
            ],
            "left",
        ),
        (
            [
                fact("given"),
                asks("given"),
                asks("withdrawn", 2),
                fact("withdrawn", 3),
                fact("returned", 4),
                asks("returned", 5),
            ],
            "yes, given",
        ),
        ([fact("given"), asks("given"), fact("withdrawn", 2), fact("confirmed", 3), asks("given", 4)], "yes, given"),
    ],
)
def test_an_appeal_takes_a_yes_to_the_letters_and_one_of_its_own(records: list[ConsentFact], expected: str) -> None:
    for order in permutations(records):
        assert answer(*order, purpose="fundraising") == expected


@pytest.mark.parametrize("reason", ["bounce", "complaint", "erased", "manual"])
def test_a_suppressed_address_is_never_written_to(reason):
    assert answer(fact("confirmed"), suppressed=reason) == f"suppressed:{reason}"


def test_a_yes_shows_the_fact_behind_it():
    confirmed = fact("confirmed", 2)
    assert may([fact("asked"), confirmed], RIGA, "newsletter", NOW) == Permission("confirmed", confirmed)


def test_a_no_shows_the_fact_behind_it():
    left = fact("withdrawn", 2)
    assert may([fact("given"), left], RIGA, "newsletter", NOW) == Refusal("left", left)
    assert may([], RIGA, "newsletter", NOW) == Refusal("never_agreed", None)


AGREED = fact("given", 1, "import")


def left(order: int, letter: str = "A", way: str = "form", list: int = RIGA) -> ConsentFact:
    return replace(fact("withdrawn", 2, way, order, list), letter=letter)


def back(order: int) -> ConsentFact:
    return fact("returned", 2, "form", order)


@pytest.mark.parametrize(
    ("records", "letters"),
    [
        ([], ""),
        ([AGREED], ""),
        ([AGREED, left(1)], "A"),
        ([AGREED, left(1, way="one-click")], "A"),
        ([AGREED, left(1, way="mail")], ""),
        ([AGREED, left(1, way="desk")], ""),
        ([AGREED, left(1, letter="")], ""),
        ([AGREED, left(1, list=PRAGUE)], ""),
        ([left(1)], "A"),  # they got it, whatever is on record
        ([replace(AGREED, day=date(2036, 11, 1)), left(1)], "A"),  # agreed while the clock was ten years ahead
        ([left(1), left(2, "B")], "A"),
        ([fact("asked"), left(1)], ""),
        ([AGREED, left(1), left(2, "B")], "A"),
        ([AGREED, left(1), back(2)], ""),
        ([AGREED, left(1), back(2), back(3)], ""),
        ([AGREED, left(1), back(2), left(3)], "A"),
        ([AGREED, left(1), back(2), left(3, "B")], "B"),
        ([AGREED, left(1), left(2, "B"), back(3)], ""),  # taken back by another letter's page
        ([AGREED, left(1), fact("confirmed", 2, order=2)], "A"),  # they did leave
        ([AGREED, left(1), fact("confirmed", 2, order=2), left(3)], "A"),
        ([AGREED, left(1), fact("confirmed", 2, order=2), left(3), back(4)], "A"),
        ([AGREED, left(1), fact("confirmed", 2, order=2), left(3, "B")], "AB"),
        ([AGREED, left(1), fact("cleaned", 2, "bounce", 2), back(3)], "A"),
    ],
)
def test_a_letter_counts_who_left_by_its_link(records: list[ConsentFact], letters: str) -> None:
    for log in (records, records[::-1]):
        assert consent.letters_left_by(log, RIGA, "newsletter", NOW) == set(letters)


def test_the_day_is_counted_in_utc_whatever_the_zone_of_now():
    early = datetime(2026, 11, 25, 1, tzinfo=timezone(timedelta(hours=14)))  # the 24th in UTC
    assert isinstance(may([fact("given", 25)], RIGA, "newsletter", early), Permission)
    assert isinstance(may([fact("given", 26)], RIGA, "newsletter", early), Refusal)


def test_a_pause_ends_by_itself_and_makes_no_yes_of_a_no():
    agreed = [ConsentFact("confirmed", 3, "newsletter", date(2026, 1, 1), "form")]
    now = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)
    paused = may(agreed, 3, "newsletter", now, paused=date(2026, 11, 26))
    assert (paused.reason, paused.record.day) == ("paused", date(2026, 11, 26))
    assert consent.status(paused) == "subscribed"
    assert isinstance(may(agreed, 3, "newsletter", now, paused=date(2026, 11, 25)), Permission)
    assert may([], 3, "newsletter", now, paused=date(2027, 1, 1)).reason == "never_agreed"
    assert may(agreed, 3, "newsletter", now, "bounce", date(2027, 1, 1)).reason == "suppressed:bounce"


def test_stored_codes_never_move():
    assert consent.KINDS == ("asked", "given", "confirmed", "withdrawn", "objected", "cleaned", "returned", "undone")
    assert consent.WAYS == ("import", "form", "desk", "api", "mail", "one-click", "bounce")
    assert consent.PURPOSES == ("newsletter", "fundraising")
    assert consent.STATUSES == ("pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed")
    assert consent.REASONS == (
        "not_asked_yet",
        "yes",
        "never_agreed",
        "not_confirmed",
        "left",
        "objected",
        "cleaned",
        "suppressed:bounce",
        "suppressed:complaint",
        "suppressed:erased",
        "suppressed:manual",
        "suppressed:objected",
        "paused",
    )
    assert (consent.AT, consent.SOURCE, consent.WORDING, consent.REASON, consent.LETTER) == (0, 1, 2, 3, 4)


def test_every_standing_has_a_code_and_a_status():
    for standing in set(consent.MOVES.values()) - {"yes"}:
        assert code(Refusal(standing, None)) > consent.YES
        assert status(Refusal(standing, None)) in consent.STATUSES
    for reason in consent.REASONS[7:]:
        assert status(Refusal(reason, None)) == "subscribed" or reason.startswith("suppressed:")
    assert code(Permission("given", fact("given"))) == consent.YES == 1


def test_every_kind_in_the_table_exists():
    standings = {"never_agreed", *consent.MOVES.values()}
    assert {kind for _, kind in consent.MOVES} | {"returned", "undone"} == set(consent.KINDS)
    assert {standing for standing, _ in consent.MOVES} == standings


@pytest.mark.parametrize("incoming", consent.STATUSES)
def test_the_verdict_of_an_import_is_what_may_says_of_its_record(incoming):
    kind = consent.KIND_OF_STATUS[incoming]
    verdict = may([fact(kind, way="import")] if kind else [], RIGA, "newsletter", NOW)
    assert code(verdict) == consent.CODE_OF_STATUS[incoming]
    assert status(verdict) == incoming


# -- what an import makes of a status ---------------------


@pytest.mark.parametrize(("known", "incoming"), product(consent.STATUSES, repeat=2))
def test_the_table_of_merges_is_whole_and_is_the_rule(known, incoming):
    assert merge_status(known, incoming) == MERGES[known, incoming] == strongest(known, incoming)


@pytest.mark.parametrize("incoming", consent.STATUSES)
def test_a_new_subscriber_is_what_the_file_says(incoming):
    assert merge_status(None, incoming) == incoming


@pytest.mark.parametrize("incoming", consent.STATUSES)
@pytest.mark.parametrize("known", ["unsubscribed", "cleaned"])
def test_nothing_in_a_file_brings_back_who_left(known, incoming):
    assert merge_status(known, incoming) in ("unsubscribed", "cleaned")


@pytest.mark.parametrize("three", product(consent.STATUSES, repeat=3))
def test_the_files_of_an_export_may_come_in_any_order_and_twice(three):
    ends = set()
    for order in permutations(three):
        end = None
        for incoming in order + order:
            end = merge_status(end, incoming)
        ends.add(end)
    assert len(ends) == 1


@pytest.mark.parametrize(("known", "incoming"), product(consent.STATUSES, repeat=2))
def test_the_log_agrees_with_the_table_when_both_come_by_import(known, incoming):
    kinds = [consent.KIND_OF_STATUS[known], consent.KIND_OF_STATUS[incoming]]
    log = [fact(kind, 1 + i, "import", i) for i, kind in enumerate(kinds) if kind]
    if (known, incoming) in {("unsubscribed", "pending"), ("cleaned", "unsubscribed")}:
        return  # an import writes no record where the status stays
    assert status(may(log, RIGA, "newsletter", NOW)) == merge_status(known, incoming)
