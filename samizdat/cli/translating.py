"""campaign translate: a letter in several languages."""

from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.campaigns import _format_of, _read, campaign, campaign_numbered
from samizdat.cli.output import Failed, common, say


@campaign.command("translate")
@click.argument("number", metavar="ID", type=int)
@click.option("--language", "code", required=True, metavar="CODE", help="Of the readers that get it, such as fa.")
@click.option("--subject", help="Left out: as it stands.")
@click.option("--preheader", help="Left out: as it stands.")
@click.option("--body", type=click.Path(), help="FILE.md, FILE.html or FILE.json (blocks). Left out: as it stands.")
@click.option("--remove", is_flag=True, help="Its readers get the letter itself.")
@common
def campaign_translate(number: int, code: str, remove: bool, body: str | None, **words: str | None) -> None:
    """Write a letter in one more language, or write that version anew. It begins with the text of the letter."""
    found = campaign_numbered(number)
    from samizdat.campaigns import actions, languages
    from samizdat.campaigns.draft import draft_of
    from samizdat.core.languages import normal

    version = next((one for one in languages.versions(found) if one.language == normal(code)), None)
    if remove:
        if version is None:
            raise Failed(f"The letter has no version in {code}. See: samizdat campaign check {number}", "no_language")
        languages.remove(version, by=None, now=opening.now())
        say({"id": found.pk, "removed": version.language}, f"Removed. Its readers get letter {found.pk} itself.")
        return
    changes: dict[str, Any] = {name: said for name, said in words.items() if said is not None}
    if body:
        changes |= {"body": _read(body), "format": _format_of(body)}
    version = version or languages.add(found, code, by=None, now=opening.now())
    actions.save(version, draft_of(version).with_(**changes), version=version.version, by=None, now=opening.now())
    document = {"id": version.pk, "letter": found.pk, "language": version.language}
    say(document, f"Version {version.pk} is written. Go on with: samizdat campaign check {found.pk}")
