"""Checks of a letter that need the database or the network, and all of them together.

`look` is what runs while somebody writes: the letter itself (core/content/checks) and what is kept of the slow checks.
The slow ones run when they are asked for: `broken_links.ask` (the network), `spelling.check` (a program),
`missing_values.count_on` (sealed fields). `stops` is what the engine asks before it freezes a letter, whichever door
the release came by.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from samizdat import limited_process, phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading, is_altered, leading
from samizdat.audience import queries as audience
from samizdat.campaigns.checks import broken_links, missing_values, pictures, spelling
from samizdat.campaigns.checks.organization_rules import OrganizationCheckRules, rules_of
from samizdat.campaigns.checks.results import StoredChecks, kept, key_of
from samizdat.campaigns.content import ContentFinding, OpenedVersion, findings
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.rendering import TRIES
from samizdat.core.content import checks as core
from samizdat.core.content.checks.donation import asks
from samizdat.core.content.checks.first_words import is_untouched
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.phrases import known
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import fill
from samizdat.core.content.render.counted_links import direct
from samizdat.core.mail.names import has_link

__all__ = ["CheckedContent", "look", "reading_of", "stops"]

_DONATION = re.compile(r'"type":\s{0,9}"donation"')
# A reader without any fields; links of one's own lead nowhere.
_NOBODY = {"EMAIL": "reader@example.org"}


@dataclass(frozen=True, slots=True)
class CheckedContent:
    """What the checks say of a draft. `waits`: slow checks that have not been asked of this text yet."""

    findings: list[ContentFinding]
    reading: core.Readability
    kept: StoredChecks
    waits: frozenset[str]


def reading_of(
    campaign: Campaign,
    draft: Draft,
    proof: CompileProof,
    now: datetime,
    settings: Leading,
    rules: OrganizationCheckRules,
) -> core.Readability:
    organization, letter = campaign.organization, proof.letter
    donation = draft.format == "blocks" and bool(_DONATION.search(draft.body))
    asking = donation or any(map(asks, letter.links))
    return core.Readability(
        subject=fill(letter.subject, _NOBODY),
        preheader=draft.preheader,
        html=fill(letter.html, _NOBODY),
        text=fill(letter.text, _NOBODY),
        links=letter.links,
        where=core.TextPositions(draft.body, draft.format),
        now=now.astimezone(ZoneInfo(organization.timezone)),
        language=campaign.language,
        hostile_state=settings.hostile_state,
        own=_own_hosts(settings),
        blocked=rules.blocked(settings.hostile_state),
        donation=donation,
        to_unasked=asking and not campaign.is_appeal and audience.anybody_asked(campaign.list),
        warnings=_warnings(proof.content.look.warning, campaign.language) if asking else (),
    )


def _warnings(own: str, language: str) -> tuple[str, ...]:
    """What a donation block says, or the organization's own words instead: in the letter's language, then in others."""
    warnings = (phrases_override.words(code)["block.warning"] for code in (language, *known()))
    return (*filter(None, [own]), *warnings)


def _own_hosts(settings: Leading) -> frozenset[str]:
    urls = (settings.public_url, settings.content_url, settings.desk_url)
    return frozenset(filter(None, (urlsplit(url).hostname or "" for url in urls)))


def look(
    campaign: Campaign, draft: Draft, proof: CompileProof, now: datetime, more: Iterable[ContentProblem] = ()
) -> CheckedContent:
    """All that is known now; `more` are flaws of whoever knows more than a campaign does (delivery/campaign_checks)."""
    settings, rules = leading(campaign.organization), rules_of(campaign.organization)
    reading = reading_of(campaign, draft, proof, now, settings, rules)
    known = kept(campaign)
    views = missing_values.views_of(campaign, proof.letter)
    problems = [
        *proof.flaws,
        *_core(campaign, reading, proof),
        *_altered(campaign.organization, settings),
        *_named(draft),
        *pictures.flaws(reading, campaign.organization),
        *broken_links.flaws(reading, known, now),
        *spelling.flaws(campaign.organization.pk, reading, rules.words),
        *missing_values.flaws(known, campaign, proof.letter, views, reading.where, now),
        *(_uncounted(reading, proof) if draft.links == "counted" else ()),
        *more,
    ]
    if draft.format == "blocks" and is_untouched(draft.body):
        problems = [*_SAMPLE, *(flaw for flaw in problems if flaw.place not in _IN_TEXT)]
    waits = {
        "links": bool(broken_links.unasked(reading, known, now)),
        "spelling": bool(spelling.unchecked(campaign.organization.pk, spelling.texts(reading))),
        "empties": not missing_values.finished(known, campaign, views, now),
    }
    return CheckedContent(
        _told(problems, known), reading, known, frozenset(name for name, true in waits.items() if true)
    )


SLOW = ContentProblem(1, "letter_slow", {}, place="letter")
# Of a starter template as it came nobody has to be told what each of its placeholders lacks.
_SAMPLE = (ContentProblem(0, "body_sample"),)
_IN_TEXT = ("body", "block")


def _core(
    campaign: Campaign, reading: core.Readability, proof: CompileProof, tries: int = 1
) -> tuple[ContentProblem, ...]:
    """The pure checks, within bounds. What they would find in a letter that takes longer nobody knows, so it stops."""
    if SLOW in proof.flaws:
        return ()  # It is said, and there is no letter to check.
    for _again in range(tries):
        with contextlib.suppress(limited_process.TooMuch):
            return limited_process.work(campaign.organization.pk, core.look, reading)
    return (SLOW,)


def _altered(organization: Organization, settings: Leading) -> Iterator[ContentProblem]:
    """Letters take addresses from the sealed copy alone; what the row says besides somebody wrote there without us."""
    if is_altered(organization, settings):
        yield ContentProblem(0, "settings_altered", {}, place="letter")


def _named(draft: Draft) -> Iterator[ContentProblem]:
    """Mails that ask for a confirmation come from this sender to anybody, once the letter went out."""
    if has_link(draft.from_name):
        yield ContentProblem(1, "name_link", place="from")


def _uncounted(reading: core.Readability, proof: CompileProof) -> Iterator[ContentProblem]:
    """Links that stay direct in a letter whose links are counted, and why."""
    for link in direct(proof.letter, proof.content.website):
        place, line = reading.where.place_of(link.url or "{{")
        url = link.url if len(link.url) <= 80 else link.url[:77] + "..."
        shown = url + ("…" if link.why == "reader" else "")
        yield ContentProblem(line, f"uncounted_{link.why}", {"url": shown}, None, "note", place)


def _told(flaws: list[ContentProblem], known: StoredChecks) -> list[ContentFinding]:
    """In words, the worst first, what was accepted last."""
    results = []
    for flaw in flaws:
        (finding,) = findings((flaw,))
        key = key_of(flaw)
        accepted = flaw.severity == "care" and key in known.accepted
        word = flaw.values.get("word", "") if flaw.code.startswith("spelling") else ""
        results.append(replace(finding, key=key, accepted=accepted, word=word))
    order = {"stop": 0, "care": 1, "note": 2}
    return sorted(results, key=lambda result: (order[result.severity], result.accepted, result.place, result.line))


def stops(
    version: OpenedVersion, proof: CompileProof, now: datetime, rules: OrganizationCheckRules
) -> tuple[ContentProblem, ...]:
    """What keeps a letter from going out besides its compiling: asked by the engine itself, not by a form."""
    campaign, draft, settings = version.campaign, version.draft, version.settings
    checked = _core(campaign, reading_of(campaign, draft, proof, now, settings, rules), proof, TRIES)
    unwritten = _SAMPLE if draft.format == "blocks" and is_untouched(draft.body) else ()
    problems = [*checked, *_altered(campaign.organization, settings), *_named(draft)]
    problems += unwritten
    return tuple(flaw for flaw in problems if flaw.severity == "stop")
