"""What `campaign check` looks at in a letter: every check, the slow ones too, since nobody waits for a keystroke."""

from typing import TYPE_CHECKING, Any

from samizdat.campaigns.errors import CampaignError
from samizdat.cli import bootstrap
from samizdat.cli.output import note

if TYPE_CHECKING:
    from samizdat.campaigns.checks import CheckedContent
    from samizdat.campaigns.content import ContentFinding
    from samizdat.campaigns.models import Campaign


def looked(campaign: "Campaign", links: bool, accepted: tuple[str, ...]) -> "CheckedContent":
    """delivery.campaign_checks.look. links: ask every link as well; accepted: keys of findings that may stay."""
    from samizdat.campaigns.checks import broken_links, missing_values, results, spelling
    from samizdat.campaigns.content import proof_of
    from samizdat.delivery.campaign_checks import look

    now = bootstrap.now()
    for key in accepted:
        results.accept(campaign, key, by=None, now=now)
    proof = proof_of(campaign, now)
    first = look(campaign, now, proof=proof)
    spelling.check(campaign.organization.pk, spelling.texts(first.reading))
    missing_values.count_on(campaign, proof.letter, first.kept, now, seconds=None)
    if links:
        try:
            broken_links.ask(campaign, first.reading, now)
        except CampaignError as refused:
            note(str(refused))
    return look(campaign, now, proof=proof)


def line_of(finding: "ContentFinding", where: str) -> str:
    """One finding: its weight, where it is, what it says, and its key where it can be accepted."""
    sign = "good" if finding.accepted else {"stop": "stop", "care": "look", "note": "note"}[finding.severity]
    key = f" [{finding.key}]" if finding.severity == "care" and not finding.accepted else ""
    return f"{sign:5} {where}: {finding.sentence}{key}"


def spelling_state() -> dict[str, Any]:
    """Which dictionaries are there, and what to install for the rest."""
    from samizdat.campaigns.checks import spelling

    return {
        "dictionaries": list(spelling.tool()[1].values()) if spelling.tool()[0] else [],
        "install": spelling.missing(),
    }
