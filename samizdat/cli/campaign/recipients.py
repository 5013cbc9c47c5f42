"""campaign audience, resend: who gets a letter, and once more those whom it did not reach."""

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
    "pending": "unconfirmed",
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned (address bounced)",
    "nonsubscribed": "no consent",
    "unasked": "no consent to fundraising appeals",
    "outside": "not in the segment",
    "paused": "paused by the subscriber",
    "stopped": "just added to the suppression list",
    "reached": "the first email was accepted",
    "monthly": "get one email a month",
    "digest": "get it in the digest",
    "singly": "get separate emails",
}


@campaign.command("audience")
@click.argument("number", metavar="ID", type=int)
@click.option("--at", "when", metavar="TIME", help="For a campaign sent at this time instead of now.")
@common
def campaign_audience(number: int, when: str | None) -> None:
    """How many would get it, and how many not, by reason. The lines add up."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery.recipients_breakdown import whom

    reach = whom(campaign_row, bootstrap.now(), time_of(when, campaign_row.organization.timezone))
    document: dict[str, Any] = {"known": reach.known, "without": reach.without, "may": reach.may}
    document["paused_until"] = reach.back.isoformat() if reach.back else None
    lines = [f"{reach.known:>12,}  subscribers"]
    lines += [f"{-count:>12,}  {_reason(code)}" for code, count in reach.without.items()]
    lines += [f"{reach.may:>12,}  get it"]
    lines += [reach.broken] if reach.broken else []
    say({"id": campaign_row.pk, **document, "broken": reach.broken}, *lines)


def _reason(code: str) -> str:
    return _WITHOUT.get(code) or f"on the suppression list: {code.partition(':')[2] or code}"


@campaign.command("resend")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resend(number: int) -> None:
    """Create a draft of the same campaign for those who were missed."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery import actions
    from samizdat.delivery.actions.resend_unreached import unreached
    from samizdat.delivery.recipients_breakdown import whom

    draft = actions.resend(campaign_row, now=bootstrap.now())
    document = {"id": draft.pk, "unreached": unreached(campaign_row), "may": whom(draft, bootstrap.now()).may}
    say(
        document,
        (
            f"Draft {draft.pk} created; {document['may']:,} of them can be emailed. Next: samizdat campaign "
            f"send {draft.pk}"
        ),
    )
