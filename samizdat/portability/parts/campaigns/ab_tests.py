"""Tests of several versions: what was different, how one was to win, and what became of it."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, convert, structs, to_builtins

from samizdat.campaigns import ab_test as contests
from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.models import Campaign, Variant
from samizdat.core import ab_test, totals
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import NUMBER, OVER, CampaignsPart, edition_of
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import Whole, moment
from samizdat.vault import keyring

SUMS = ("left", "replies")
LONGEST = 2_000


class _TestVersion(Struct, frozen=True):
    """`letter`: number of the draft whose text it has."""

    letter: Annotated[int, Meta(ge=0, le=NUMBER)] | None
    words: contests.VersionWords
    left: Whole
    replies: Whole
    presses: Whole


class _Test(Struct, frozen=True):
    """`versions`: the letter itself first."""

    share: Annotated[int, Meta(ge=ab_test.LEAST_SHARE, le=ab_test.MOST_SHARE)]
    by: str
    at: str
    state: Literal["", "running", "decided", "done"]
    winner: Annotated[int, Meta(ge=0, lt=ab_test.MOST)] | None
    link: Annotated[str, Meta(max_length=LONGEST)]
    versions: Annotated[list[_TestVersion], Meta(min_length=2, max_length=ab_test.MOST)]


class Tests(CampaignExtrasPart):
    """One a letter that has a test: `share`, `by`, `at`, `state`, `winner`, `link`, `versions`."""

    name = "tests"

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        rows = Variant.objects.filter(campaign=letter).order_by("variant_no")
        presses = contests.presses_when_decided(letter)
        versions = [_told(home, row, presses.get(row.variant_no, 0)) for row in rows]
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
        test = convert(payload, _Test)
        words = [word for version in test.versions for word in structs.astuple(version.words)]
        if not moment(test.at) or test.by not in ab_test.WAYS or max(map(len, words)) > LONGEST:
            raise ValueError
        return test

    def make(self, letter: Campaign, rows: list[_Test], places: base.Places) -> None:
        for test in rows[:1]:
            texts = [places.here(CampaignsPart.name, version.letter) for version in test.versions]
            wanted = [text for version, text in zip(test.versions, texts, strict=True) if version.letter is not None]
            is_over = letter.state in OVER
            if not is_over and None in wanted:
                continue  # Without the draft that is its other text a version would be the letter itself.
            _keep_plan(letter, test, is_over)
            keys = keyring.keys(letter.organization)
            for place, (version, text) in enumerate(zip(test.versions, texts, strict=True)):
                sums = {name: getattr(version, name) for name in SUMS}
                row = Variant.objects.create(campaign=letter, variant_no=place, letter_id=text, **sums)
                row.sealed = keys.seal_json(version.words, "variant", "sealed", row.pk)
                row.save(update_fields=["sealed"])
            presses = {place: version.presses for place, version in enumerate(test.versions) if version.presses}
            if presses and (edition := edition_of(letter)):
                sealed_clicks.put(edition, decided=presses)


def _told(home: ExportContext, row: Variant, presses: int) -> dict[str, Any]:
    words = home.keys.open_json(row.sealed, "variant", "sealed", row.pk, contests.VersionWords)
    sums: dict[str, int] = {name: getattr(row, name) for name in SUMS}
    # As the report says them: what it keeps back leaves the house as none.
    sums["presses"] = 0 if totals.is_few(presses) else totals.rounded(presses)
    return {"letter": row.letter_id, "words": to_builtins(words), **sums}


def _keep_plan(letter: Campaign, test: _Test, is_over: bool) -> None:
    """What had not begun is a plan again, for somebody to release. What was on its way is over undecided."""
    letter.test_share, letter.ab_metric, letter.test_at = test.share, test.by, moment(test.at)
    letter.test_winner = test.winner if is_over else None
    letter.test_state = ("done" if test.state else "") if is_over else ""
    if test.link:
        keys = keyring.keys(letter.organization)
        letter.test_link_sealed = keys.seal_json(contests.TestLink(test.link), "campaign", "test link", letter.pk)
    names = ["test_share", "ab_metric", "test_at", "test_winner", "test_state", "test_link_sealed"]
    letter.save(update_fields=names)
