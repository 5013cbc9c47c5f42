"""campaign correct, archive: the web version of a letter."""

from collections.abc import Mapping
from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.output import common, say


@campaign.command("correct")
@click.argument("number", metavar="ID", type=int)
@click.option("--wrong", required=True, help="A piece of text or an address, as it stands on the web version.")
@click.option("--right", required=True, help="What should stand there.")
@common
def campaign_correct(number: int, wrong: str, right: str) -> None:
    """Mend a slip on the web version. What was sent stays as it was."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.archive.web_corrections import correct

    places = correct(campaign_row, wrong, right, by=None, now=bootstrap.now())
    say({"id": campaign_row.pk, "places": places}, f"Mended in {places:,} places; the web version says on which day.")


@campaign.command("archive")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--listed/--unlisted",
    default=None,
    help="In the archive and its feed, or read by its address alone; all languages.",
)
@common
def campaign_archive(number: int, listed: bool | None) -> None:
    """Put a released letter into the archive, or take it out. Without an option, says where its web version stands."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import queries, translations
    from samizdat.campaigns.archive import listing
    from samizdat.campaigns.models import is_listed

    whole = translations.whole(campaign_row)
    if listed is not None:
        listing.put(whole, listed, by=None, now=bootstrap.now())
    document: dict[str, Any] = {"id": whole.pk, "listed": is_listed(whole), "public": queries.is_public(whole)}
    document["address"] = queries.web_address(whole)
    say(document, *_stands(document))


def _stands(document: Mapping[str, object]) -> list[str]:
    where = "in the archive and its feed" if document["listed"] else "read by its address alone"
    if not document["public"]:
        return [f"The web version of campaign {document['id']} is {where} once the letter begins to go out."]
    if not document["address"]:
        sentence = "There are no public pages yet. Set their address: samizdat organization set --url https://…"
        return [f"The web version of campaign {document['id']} is {where}.", sentence]
    return [f"The web version of campaign {document['id']} is {where}: {document['address']}"]
