"""Tests of several versions: what was different, how one was to win, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.values import moment, whole
from samizdat.campaigns import contest as contests
from samizdat.campaigns.models import Campaign, Variant
from samizdat.campaigns.portable.belongings import Belongings
from samizdat.campaigns.portable.letters import NUMBER, OVER, Letters
from samizdat.core import contest, totals
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

SUMS = ("left", "replies", "presses")
WORDS = ("subject", "from_name", "from_email", "title")
LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class _Test:
    """`versions`: (number of the draft whose text it has, words, sums) each, the letter itself first."""

    share: int
    by: str
    at: datetime | None
    state: str
    winner: int | None
    link: str
    versions: list[tuple[int | None, dict[str, str], dict[str, int]]]


class Tests(Belongings):
    """One a letter that has a test: `share`, `by`, `at`, `state`, `winner`, `link`, `versions`."""

    name = "tests"

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        versions = [_told(home, row) for row in Variant.objects.filter(campaign=letter).order_by("place")]
        if versions:
            yield {
                "share": letter.test_share,
                "by": letter.test_by,
                "at": letter.test_at.isoformat() if letter.test_at else None,
                "state": letter.test_state,
                "winner": letter.test_winner,
                "link": contests.link_of(letter),
                "versions": versions,
            }

    def read(self, told: dict[str, Any]) -> _Test:
        test = _Test(
            whole(told["share"]),
            str(told["by"]),
            moment(told["at"]) if told["at"] else None,
            str(told["state"]),
            None if told["winner"] is None else whole(told["winner"]),
            str(told["link"]),
            [_version(one) for one in told["versions"]],
        )
        fits = test.by in contest.WAYS and test.state in ("", "running", "decided", "done") and len(test.link) < LONGEST
        fits = fits and contest.LEAST_SHARE <= test.share <= contest.MOST_SHARE and test.at is not None
        if not fits or not 2 <= len(test.versions) <= contest.MOST or (test.winner or 0) not in range(contest.MOST):
            raise ValueError
        return test

    def make(self, letter: Campaign, rows: list[_Test], places: besides.Places) -> None:
        for test in rows[:1]:
            texts = [places.here(Letters.name, number) for number, _words, _sums in test.versions]
            wanted = [number is not None for number, _words, _sums in test.versions]
            is_over = letter.state in OVER
            if not is_over and any(want and text is None for want, text in zip(wanted, texts, strict=True)):
                continue  # Without the draft that is its other text a version would be the letter itself.
            _keep_plan(letter, test, is_over)
            keys = house.keys(letter.organisation)
            for place, ((_number, words, sums), text) in enumerate(zip(test.versions, texts, strict=True)):
                row = Variant.objects.create(campaign=letter, place=place, letter_id=text, **sums)
                row.sealed = seal_json(keys, words, "variant", "sealed", row.pk)
                row.save(update_fields=["sealed"])


def _told(home: House, row: Variant) -> dict[str, Any]:
    words = open_json(home.keys, bytes(row.sealed), "variant", "sealed", row.pk) or {}
    sums = {name: getattr(row, name) for name in SUMS}
    # As the report says them: what it keeps back leaves the house as none.
    sums["presses"] = 0 if totals.is_few(row.presses) else totals.rounded(row.presses)
    return {"letter": row.letter_id, "words": words, **sums}


def _version(told: dict[str, Any]) -> tuple[int | None, dict[str, str], dict[str, int]]:
    words = {name: str(told["words"][name]) for name in WORDS if name in told["words"]}
    sums = {name: whole(told[name]) for name in SUMS}
    if any(len(word) > LONGEST for word in words.values()):
        raise ValueError
    return None if told["letter"] is None else whole(told["letter"], NUMBER), words, sums


def _keep_plan(letter: Campaign, test: _Test, is_over: bool) -> None:
    """What had not begun is a plan again, for somebody to release. What was on its way is over undecided."""
    letter.test_share, letter.test_by, letter.test_at = test.share, test.by, test.at
    letter.test_winner = test.winner if is_over else None
    letter.test_state = ("done" if test.state else "") if is_over else ""
    if test.link:
        keys = house.keys(letter.organisation)
        letter.test_link_sealed = seal_json(keys, {"url": test.link}, "campaign", "test link", letter.pk)
    names = ["test_share", "test_by", "test_at", "test_winner", "test_state", "test_link_sealed"]
    letter.save(update_fields=names)
