"""Tests of several versions: what was different, how one was to win, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from samizdat.campaigns import ab_test as contests
from samizdat.campaigns.models import Campaign, Variant
from samizdat.core import ab_test, totals
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import NUMBER, OVER, CampaignsPart
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment, whole
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json

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


class Tests(CampaignExtrasPart):
    """One a letter that has a test: `share`, `by`, `at`, `state`, `winner`, `link`, `versions`."""

    name = "tests"

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        versions = [_told(home, row) for row in Variant.objects.filter(campaign=letter).order_by("variant_no")]
        if versions:
            yield {
                "share": letter.test_share,
                "by": letter.ab_metric,
                "at": letter.test_at.isoformat() if letter.test_at else None,
                "state": letter.test_state,
                "winner": letter.test_winner,
                "link": contests.link_of(letter),
                "versions": versions,
            }

    def read(self, payload: dict[str, Any]) -> _Test:
        test = _Test(
            whole(payload["share"]),
            str(payload["by"]),
            moment(payload["at"]) if payload["at"] else None,
            str(payload["state"]),
            None if payload["winner"] is None else whole(payload["winner"]),
            str(payload["link"]),
            [_version(version) for version in payload["versions"]],
        )
        fits = test.by in ab_test.WAYS and test.state in ("", "running", "decided", "done") and len(test.link) < LONGEST
        fits = fits and ab_test.LEAST_SHARE <= test.share <= ab_test.MOST_SHARE and test.at is not None
        if not fits or not 2 <= len(test.versions) <= ab_test.MOST or (test.winner or 0) not in range(ab_test.MOST):
            raise ValueError
        return test

    def make(self, letter: Campaign, rows: list[_Test], places: base.Places) -> None:
        for test in rows[:1]:
            texts = [places.here(CampaignsPart.name, number) for number, _words, _sums in test.versions]
            wanted = [number is not None for number, _words, _sums in test.versions]
            is_over = letter.state in OVER
            if not is_over and any(want and text is None for want, text in zip(wanted, texts, strict=True)):
                continue  # Without the draft that is its other text a version would be the letter itself.
            _keep_plan(letter, test, is_over)
            keys = keyring.keys(letter.organization)
            for place, ((_number, words, sums), text) in enumerate(zip(test.versions, texts, strict=True)):
                row = Variant.objects.create(campaign=letter, variant_no=place, letter_id=text, **sums)
                row.sealed = seal_json(keys, words, "variant", "sealed", row.pk)
                row.save(update_fields=["sealed"])


def _told(home: ExportContext, row: Variant) -> dict[str, Any]:
    words = open_json(home.keys, bytes(row.sealed), "variant", "sealed", row.pk) or {}
    sums = {name: getattr(row, name) for name in SUMS}
    # As the report says them: what it keeps back leaves the house as none.
    sums["presses"] = 0 if totals.is_few(row.presses) else totals.rounded(row.presses)
    return {"letter": row.letter_id, "words": words, **sums}


def _version(payload: dict[str, Any]) -> tuple[int | None, dict[str, str], dict[str, int]]:
    words = {name: str(payload["words"][name]) for name in WORDS if name in payload["words"]}
    sums = {name: whole(payload[name]) for name in SUMS}
    if any(len(word) > LONGEST for word in words.values()):
        raise ValueError
    return None if payload["letter"] is None else whole(payload["letter"], NUMBER), words, sums


def _keep_plan(letter: Campaign, test: _Test, is_over: bool) -> None:
    """What had not begun is a plan again, for somebody to release. What was on its way is over undecided."""
    letter.test_share, letter.ab_metric, letter.test_at = test.share, test.by, test.at
    letter.test_winner = test.winner if is_over else None
    letter.test_state = ("done" if test.state else "") if is_over else ""
    if test.link:
        keys = keyring.keys(letter.organization)
        letter.test_link_sealed = seal_json(keys, {"url": test.link}, "campaign", "test link", letter.pk)
    names = ["test_share", "ab_metric", "test_at", "test_winner", "test_state", "test_link_sealed"]
    letter.save(update_fields=names)
