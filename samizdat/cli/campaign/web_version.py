"""campaign correct, archive: the web version of a letter."""

from collections.abc import Mapping
from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.output import common, say


@campaign.command("correct")
@click.argument("number", metavar="ID", type=int)
@click.option("--wrong", required=True, help="A piece of text or a link, exactly as on the web version.")
@click.option("--right", required=True, help="What to replace it with.")
@common
def campaign_correct(number: int, wrong: str, right: str) -> None:
    """Fix a typo in the web version. The sent email is unchanged."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.archive.web_corrections import correct

    places = correct(campaign_row, wrong, right, by=None, now=bootstrap.now())
    say(
        {"id": campaign_row.pk, "places": places},
        f"Fixed in {places:,} places. The web version shows the day of the correction.",
    )


@campaign.command("archive")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--listed/--unlisted",
    default=None,
    help="Public in the archive and its feed, or readable by link only. For all languages.",
)
@common
def campaign_archive(number: int, listed: bool | None) -> None:
    """Add a sent campaign to the archive, or remove it. Without an option, shows where its web version is."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import queries, translations
    from samizdat.campaigns.archive import listing

    whole = translations.whole(campaign_row)
    if listed is not None:
        listing.put(whole, listed, by=None, now=bootstrap.now())
    document: dict[str, Any] = {"id": whole.pk, "listed": whole.is_listed, "public": queries.is_public(whole)}
    document["address"] = queries.web_address(whole)
    say(document, *_stands(document))


def _stands(document: Mapping[str, object]) -> list[str]:
    where = "in the archive and its feed" if document["listed"] else "unlisted, readable by link only"
    if not document["public"]:
        return [f"The web version of campaign {document['id']} will be {where} once sending starts."]
    if not document["address"]:
        sentence = "The public pages have no address yet. Set it: samizdat organization set --url https://…"
        return [f"The web version of campaign {document['id']} is {where}.", sentence]
    return [f"The web version of campaign {document['id']} is {where}: {document['address']}"]
