"""campaign whom, resend: who gets a letter, and once more those whom it did not reach."""

from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.campaign.release import time_of
from samizdat.cli.output import common, say

# Reasons for which somebody does not get a letter: delivery/recipients_breakdown.Whom.
_WITHOUT = {
    "not_listed": "not on this list",
    "untagged": "without the tag",
    "pending": "have not confirmed yet",
    "unsubscribed": "unsubscribed",
    "cleaned": "address unreachable",
    "nonsubscribed": "never agreed",
    "unasked": "did not agree to appeals for money",
    "outside": "not in the segment",
    "paused": "asked for a pause",
    "stopped": "on the stop list since a moment ago",
    "reached": "reached by the first letter",
    "monthly": "want one letter a month",
    "digest": "get it in the digest",
    "singly": "want their letters one by one",
}


@campaign.command("whom")
@click.argument("number", metavar="ID", type=int)
@click.option("--at", "when", metavar="TIME", help="For a letter that leaves then, and not now.")
@common
def campaign_whom(number: int, when: str | None) -> None:
    """Who would get it, and who not, by reason: the lines add up."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery.recipients_breakdown import whom

    reach = whom(campaign_row, bootstrap.now(), time_of(when, campaign_row.organization.timezone))
    document: dict[str, Any] = {"known": reach.known, "without": reach.without, "may": reach.may}
    document["paused_until"] = reach.back.isoformat() if reach.back else None
    lines = [f"{reach.known:>12,}  subscribers known here"]
    lines += [f"{-count:>12,}  {_reason(code)}" for code, count in reach.without.items()]
    lines += [f"{reach.may:>12,}  get it"]
    lines += [reach.broken] if reach.broken else []
    say({"id": campaign_row.pk, **document, "broken": reach.broken}, *lines)


def _reason(code: str) -> str:
    return _WITHOUT.get(code) or f"on the stop list: {code.partition(':')[2] or code}"


@campaign.command("resend")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resend(number: int) -> None:
    """Draft the letter once more, to those alone whom it did not reach."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery import actions
    from samizdat.delivery.actions.resend_unreached import unreached
    from samizdat.delivery.recipients_breakdown import whom

    draft = actions.resend(campaign_row, now=bootstrap.now())
    document = {"id": draft.pk, "unreached": unreached(campaign_row), "may": whom(draft, bootstrap.now()).may}
    say(
        document, f"Draft {draft.pk} goes to {document['may']:,} of them. Go on with: samizdat campaign send {draft.pk}"
    )
