"""campaign whom: who gets a letter, and who does not."""

from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.campaigns import campaign, campaign_numbered, time_of
from samizdat.cli.output import common, say

__all__ = ["campaign"]

# Reasons for which somebody does not get a letter: delivery/whom.Whom.
_WITHOUT = {
    "not_listed": "not on this list",
    "untagged": "without the tag",
    "pending": "have not confirmed yet",
    "unsubscribed": "unsubscribed",
    "cleaned": "address unreachable",
    "nonsubscribed": "never agreed",
    "outside": "not in the segment",
    "paused": "asked for a pause",
    "stopped": "on the stop list since a moment ago",
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
    found = campaign_numbered(number)
    from samizdat.delivery.whom import whom

    reach = whom(found, opening.now(), time_of(when, found.organisation.timezone))
    document: dict[str, Any] = {"known": reach.known, "without": reach.without, "may": reach.may}
    document["paused_until"] = reach.back.isoformat() if reach.back else None
    lines = [f"{reach.known:>12,}  subscribers known here"]
    lines += [f"{-count:>12,}  {_reason(code)}" for code, count in reach.without.items()]
    lines += [f"{reach.may:>12,}  get it"]
    lines += [reach.broken] if reach.broken else []
    say({"id": found.pk, **document, "broken": reach.broken}, *lines)


def _reason(code: str) -> str:
    return _WITHOUT.get(code) or f"on the stop list: {code.partition(':')[2] or code}"
