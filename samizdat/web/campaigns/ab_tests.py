"""What became of the versions of a letter, as a table whose columns add up."""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.campaigns import ab_test as campaigns
from samizdat.campaigns import counted_links
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core import ab_test
from samizdat.core.totals import FEWEST, is_few, rounded
from samizdat.delivery.actions.ab_test import TestGroup, parts
from samizdat.delivery.click_stats import too_few
from samizdat.web import labels
from samizdat.web.templatetags.desk import moment


def table(campaign: Campaign) -> dict[str, Any] | None:
    """heads, rows, totals; None where there was no test."""
    test_groups = parts(campaign)
    if not test_groups:
        return None
    states = [name for name, _word, _note in labels.BOOKS if any(part.counts.get(name) for part in test_groups)]
    heads = [str(word) for name, word, _note in labels.BOOKS if name in states]
    presses, unsaid = _presses(campaign, test_groups), _unsaid(campaign) | too_few(campaign)
    few_left = _few_left(campaign, test_groups)
    totals = [sum(part.counts.get(state, 0) for part in test_groups) for state in states]
    return {
        "heads": heads,
        "rows": [_row(campaign, part, states, heads, presses, unsaid, few_left) for part in test_groups],
        "counts": campaign.ab_metric == "clicks",
        "totals": [*zip(heads, totals, strict=True)],
        "frozen": sum(part.frozen for part in test_groups),
        "said": _said(campaign),
        "open": campaign.test_state == "running",
    }


def _presses(campaign: Campaign, test_groups: list[TestGroup]) -> dict[int, int]:
    """place of a version -> clicks that the test goes by: as they stand, or stood when it was decided."""
    if campaign.test_state == "running":
        return campaigns.presses_of(campaign)
    return {part.version.place: part.version.presses for part in test_groups if part.version}


def _unsaid(campaign: Campaign) -> set[int]:
    """Versions of which one link has too few clicks to say: the sum of all its links would say it."""
    if campaign.ab_metric != "clicks" or campaigns.link_of(campaign):
        return set()
    return {row.place for row in counted_links.pressed(campaign.edition) if is_few(row.total)}


def _few_left(campaign: Campaign, test_groups: list[TestGroup]) -> bool:
    """Whether one of the numbers of those who left is small: with the others and their sum it could be worked out."""
    by_version = [part.version.left for part in test_groups if part.version]
    return any(is_few(many) for many in (*by_version, campaign.unsubscribes - sum(by_version)))


def _row(
    campaign: Campaign,
    part: TestGroup,
    states: list[str],
    heads: list[str],
    presses: dict[int, int],
    unsaid: set[int],
    few_left: bool,
) -> dict[str, object]:
    version = part.version
    pressed = presses.get(version.place, 0) if version else 0
    return {
        "letter": version.name if version else "",
        "name": version.name if version else _("the rest"),
        "different": _different(campaign, part),
        "won": version is not None and version.place == campaign.test_winner,
        "counts": [*zip(heads, [part.counts.get(state, 0) for state in states], strict=True)],
        "frozen": part.frozen,
        "left": version.left if version else None,
        "few_left": bool(version) and (few_left or part.frozen < FEWEST),
        "replies": version.replies if version else None,
        "presses": rounded(pressed) if version else None,
        "few_presses": is_few(pressed) or (version is not None and version.place in unsaid),
    }


def _different(campaign: Campaign, part: TestGroup) -> str:
    if part.version is None:
        won = campaign.test_winner
        if won is None:
            return _("waiting for the winner") if campaign.test_state == "running" else ""
        return _("gets version %(name)s") % {"name": ab_test.NAMES[won]}
    if part.version.place == 0:
        return draft_of(campaign).subject[:100]
    change = part.version.change
    sender = f"{change.from_name} {change.from_email}".strip()
    text = _("text from “%(title)s”") % {"title": change.title[:60]} if change.title else ""
    return "; ".join(filter(None, (change.subject[:100], sender, text)))


def _said(campaign: Campaign) -> str:
    if campaign.test_state != "running":
        return ""
    sentence = {
        "hand": _("The winner is chosen manually; the rest wait for it."),
        "replies": _("Winner: most replies (%(at)s)."),
        "unsubscribes": _("Winner: fewest unsubscribes (%(at)s)."),
        "clicks": _("Winner: most clicks (%(at)s)."),
    }[campaign.ab_metric]
    return sentence % {"at": moment(campaign.test_at)} if "%(at)s" in sentence else sentence


def planned(campaign: Campaign) -> str:
    """One sentence for the send page; "" where no test is planned."""
    if not campaign.test_share:
        return ""
    facts = {"share": campaign.test_share, "n": campaign.variants.count(), "at": moment(campaign.test_at)}
    if campaign.ab_metric == "hand":
        return _("%(share)s percent get one of %(n)s versions; the rest get theirs when your team decides.") % facts
    return _("%(share)s percent get one of %(n)s versions; the rest get the winner: %(at)s.") % facts
