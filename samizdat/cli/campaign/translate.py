"""campaign translate: a letter in several languages."""

from typing import Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import _format_of, _read, campaign, campaign_numbered
from samizdat.cli.output import CommandFailed, common, say
from samizdat.core.languages import normal


@campaign.command("translate")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--language", "code", required=True, metavar="CODE", help="Language of the subscribers who get it, such as fa."
)
@click.option("--subject", help="Default: unchanged.")
@click.option("--preheader", help="Default: unchanged.")
@click.option("--body", type=click.Path(), help="FILE.md, FILE.html or FILE.json (blocks). Default: unchanged.")
@click.option("--remove", is_flag=True, help="Remove this translation. Its subscribers get the original.")
@common
def campaign_translate(number: int, code: str, remove: bool, body: str | None, **words: str | None) -> None:
    """Add a translation to a campaign, or change it. It starts with the original text."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import actions, translations
    from samizdat.campaigns.drafts.draft import draft_of

    version = next(
        (candidate for candidate in translations.versions(campaign_row) if candidate.language == normal(code)), None
    )
    if remove:
        if version is None:
            raise CommandFailed(
                f"The campaign has no translation in {code}. See: samizdat campaign check {number}", "no_language"
            )
        translations.remove(version, by=None, now=bootstrap.now())
        say(
            {"id": campaign_row.pk, "removed": version.language},
            f"Translation removed. Its subscribers get campaign {campaign_row.pk} itself.",
        )
        return
    changes: dict[str, Any] = {name: value for name, value in words.items() if value is not None}
    if body:
        changes |= {"body": _read(body), "format": _format_of(body)}
    version = version or translations.add(campaign_row, code, by=None, now=bootstrap.now())
    actions.save(version, draft_of(version).with_(**changes), version=version.version, by=None, now=bootstrap.now())
    document = {"id": version.pk, "letter": campaign_row.pk, "language": version.language}
    say(document, f"Translation {version.pk} saved. Next: samizdat campaign check {campaign_row.pk}")
