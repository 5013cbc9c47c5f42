"""Checks of a letter that need the database or the network, and all of them together.

`look` is what runs while somebody writes: the letter itself (core/checks) and what is kept of the slow checks. The slow
ones run when they are asked for: `dead.ask` (the network), `spelling.check` (a program), `empties.count_on` (sealed
fields). `stops` is what the engine asks before it freezes a letter, whichever door the release came by.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from samizdat import bounded, saying
from samizdat.accounts.grants import is_altered, leading
from samizdat.audience import queries as audience
from samizdat.campaigns.brand import brand_of
from samizdat.campaigns.checks import dead, empties, pictures, spelling
from samizdat.campaigns.checks.keeping import Kept, kept, key_of
from samizdat.campaigns.checks.rules import Rules, rules_of
from samizdat.campaigns.draft import Draft
from samizdat.campaigns.letter import Finding, findings
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.rendering import TRIES
from samizdat.core import checks as core
from samizdat.core.checks.donation import asks
from samizdat.core.compile import Proof
from samizdat.core.flaws import Flaw
from samizdat.core.letter import fill
from samizdat.core.letter.counting import direct
from samizdat.core.spoken import known

__all__ = ["Looked", "look", "reading_of", "stops"]

_DONATION = re.compile(r'"type":\s{0,9}"donation"')
# A reader without any fields; links of one's own lead nowhere.
_NOBODY = {"EMAIL": "reader@example.org"}


@dataclass(frozen=True, slots=True)
class Looked:
    """What the checks say of a draft. `waits`: slow checks that have not been asked of this text yet."""

    findings: list[Finding]
    reading: core.Reading
    kept: Kept
    waits: frozenset[str]


def reading_of(
    campaign: Campaign, draft: Draft, proof: Proof, now: datetime, rules: Rules | None = None
) -> core.Reading:
    organisation = campaign.organisation
    rules = rules or rules_of(organisation)
    letter = proof.letter
    donation = draft.format == "blocks" and bool(_DONATION.search(draft.body))
    asking = donation or any(map(asks, letter.links))
    return core.Reading(
        subject=fill(letter.subject, _NOBODY),
        preheader=draft.preheader,
        html=fill(letter.html, _NOBODY),
        text=fill(letter.text, _NOBODY),
        links=letter.links,
        where=core.Whereabouts(draft.body, draft.format),
        now=now.astimezone(ZoneInfo(organisation.timezone)),
        language=campaign.language,
        feared=organisation.feared,
        own=_own_hosts(organisation),
        blocked=rules.blocked(organisation.feared),
        donation=donation,
        to_unasked=asking and not campaign.is_appeal and audience.anybody_asked(campaign.list),
        warnings=_warnings(organisation, campaign.language) if asking else (),
    )


def _warnings(organisation: Any, language: str) -> tuple[str, ...]:
    """What a donation block says, or the organisation's own words instead: in the letter's language, then in others."""
    own = brand_of(organisation).warning
    said = (saying.words(one)["block.warning"] for one in (language, *known()))
    return (*filter(None, [own]), *said)


def _own_hosts(organisation: Any) -> frozenset[str]:
    kept = leading(organisation)
    urls = (kept.public_url, kept.content_url, kept.desk_url)
    return frozenset(filter(None, (urlsplit(url).hostname or "" for url in urls)))


def look(campaign: Campaign, draft: Draft, proof: Proof, now: datetime, more: Iterable[Flaw] = ()) -> Looked:
    """All that is known now; `more` are flaws of whoever knows more than a campaign does (delivery/checking)."""
    rules = rules_of(campaign.organisation)
    reading = reading_of(campaign, draft, proof, now, rules)
    known = kept(campaign)
    views = empties.views_of(campaign, proof.letter)
    found = [
        *proof.flaws,
        *_core(campaign, reading, proof),
        *_altered(campaign.organisation),
        *pictures.flaws(reading, campaign.organisation),
        *dead.flaws(reading, known, now),
        *spelling.flaws(reading, rules.words),
        *empties.flaws(known, campaign, proof.letter, views, reading.where, now),
        *(_uncounted(campaign, reading, proof) if draft.links == "counted" else ()),
        *more,
    ]
    waits = {
        "links": bool(dead.unasked(reading, known, now)),
        "spelling": bool(spelling.unchecked(spelling.texts(reading))),
        "empties": not empties.finished(known, campaign, views, now),
    }
    return Looked(_told(found, known), reading, known, frozenset(name for name, true in waits.items() if true))


SLOW = Flaw(1, "letter_slow", {}, place="letter")


def _core(campaign: Campaign, reading: core.Reading, proof: Proof, tries: int = 1) -> tuple[Flaw, ...]:
    """The pure checks, within bounds. What they would find in a letter that takes longer nobody knows, so it stops."""
    if SLOW in proof.flaws:
        return ()  # It is said, and there is no letter to check.
    for _again in range(tries):
        with contextlib.suppress(bounded.TooMuch):
            return bounded.work(campaign.organisation.pk, core.look, reading)
    return (SLOW,)


def _altered(organisation: Any) -> Iterator[Flaw]:
    """Letters take addresses from the sealed copy alone; what the row says besides somebody wrote there without us."""
    if is_altered(organisation):
        yield Flaw(0, "settings_altered", {}, place="letter")


def _uncounted(campaign: Campaign, reading: core.Reading, proof: Proof) -> Iterator[Flaw]:
    """Links that stay direct in a letter whose links are counted, and why."""
    for one in direct(proof.letter, leading(campaign.organisation).public_url):
        place, line = reading.where.place_of(one.url or "{{")
        url = one.url if len(one.url) <= 80 else one.url[:77] + "..."
        shown = url + ("…" if one.why == "reader" else "")
        yield Flaw(line, f"uncounted_{one.why}", {"url": shown}, None, "note", place)


def _told(flaws: list[Flaw], known: Kept) -> list[Finding]:
    """In words, the worst first, what was accepted last."""
    told = []
    for flaw in flaws:
        (finding,) = findings((flaw,))
        key = key_of(flaw)
        accepted = flaw.severity == "care" and key in known.accepted
        word = flaw.values.get("word", "") if flaw.code.startswith("spelling") else ""
        told.append(replace(finding, key=key, accepted=accepted, word=word))
    order = {"stop": 0, "care": 1, "note": 2}
    return sorted(told, key=lambda one: (order[one.severity], one.accepted, one.place, one.line))


def stops(campaign: Campaign, draft: Draft, proof: Proof, now: datetime) -> tuple[Flaw, ...]:
    """What keeps a letter from going out besides its compiling: asked by the engine itself, not by a form."""
    checked = _core(campaign, reading_of(campaign, draft, proof, now), proof, TRIES)
    found = [*checked, *_altered(campaign.organisation)]
    return tuple(flaw for flaw in found if flaw.severity == "stop")
