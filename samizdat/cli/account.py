"""import-account: everything that another service's export of a whole account holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, note, progress, say, table

if TYPE_CHECKING:
    from samizdat.portability.account.export import AccountPlan


@click.command("import-account")
@click.argument("file", type=click.Path())
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="[AUDIENCE=]NAME",
    help="The list for an audience, by its name or number, or for all audiences. Default: a list of the same name. "
    "Lists that don't exist are created.",
)
@click.option("--basis", default="", metavar="TEXT", help="How they agreed to get your emails. Kept word for word.")
@click.option(
    "--appeals",
    metavar="TEXT",
    help="They also agreed to fundraising appeals, in these words, as they were shown. Kept word for word.",
)
@click.option(
    "--public-archive",
    "listed",
    is_flag=True,
    help="List sent campaigns in the public archive. Otherwise their web versions are unlisted, by link only.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be imported and what is left out. Writes nothing.")
@common
def import_account(
    file: str, lists: tuple[str, ...], basis: str, appeals: str | None, listed: bool, dry_run: bool
) -> None:
    """Import the export of a whole Mailchimp account: a zip, or the folder that it was unpacked to.

    Subscribers of every audience, drafts, sent campaigns, templates and images. What is left out is shown before
    anything is written. If it was stopped, run it again: it continues. A later export adds only what is new.
    """
    bootstrap.open_house()
    from samizdat.audience.imports import actions
    from samizdat.campaigns.errors import CampaignError
    from samizdat.portability.account import export
    from samizdat.portability.account.writer import KINDS

    path, organization = Path(file), bootstrap.organization()
    path.stat()  # A missing file is a sentence before anything is opened.
    options = actions.options_of((), appeals=appeals)
    names = dict(part.rsplit("=", 1) for part in lists if "=" in part)
    usual = next((part for part in lists if "=" not in part), "")
    plan = export.plan_of(organization, path, names, usual)
    lines = _left(plan)
    if dry_run:
        export.look(organization, path, plan, options=options, now=bootstrap.now())
        for warning in _warnings(plan):
            note(warning)
        say(_document(plan) | {"dry_run": True}, *_found(plan), *lines, "Dry run: nothing was written.")
        return
    before = _warnings(plan)
    for line in [*before, *lines]:
        note(line)
    with progress("Importing", "files") as shown:
        try:
            totals = export.bring(
                organization, path, plan, options=options, basis=basis, listed=listed,
                now=bootstrap.now, tell=lambda _rows, done, whole: shown.show(done, whole or None, done),
            )  # fmt: skip
        except CampaignError as refused:
            sentence = f"{refused} Then run the same command again: it continues."
            raise CommandFailed(sentence, refused.code) from None
    for warning in _warnings(plan)[len(before) :]:
        note(warning)
    reasons = [{"name": name, "reason": reason} for name, reason in totals.refused]
    brought: dict[str, Any] = {kind: {"added": totals.added[kind], "here": totals.here[kind]} for kind in KINDS}
    document = _document(plan) | {"dry_run": False, "brought": brought, "refused": reasons}
    document["images_elsewhere"] = totals.elsewhere
    say(document, *_brought(plan, brought), *_after(totals.refused, totals.elsewhere))


def _document(plan: "AccountPlan") -> dict[str, Any]:
    contents = plan.contents
    return {
        "audiences": [
            {
                "audience": held.audience.name,
                "list": held.list_name,
                "new_list": held.is_new,
                "counts": held.counts,
                "statuses": held.statuses,
            }
            for held in plan.audiences
        ],
        "contents": {name: getattr(contents, name) for name in ("drafts", "sent", "templates", "images")},
        "left_out": [{"kind": left.kind, "count": left.count, "names": list(left.names)} for left in contents.left],
        "warnings": _warnings(plan),
    }


def _warnings(plan: "AccountPlan") -> list[str]:
    return list(dict.fromkeys(warning for held in plan.audiences for warning in held.warnings))


def _left(plan: "AccountPlan") -> list[str]:
    from samizdat.portability.account.words import left_sentence

    sentences = [left_sentence(left) for left in plan.contents.left]
    return ["Left out:", *(f"  {sentence}" for sentence in sentences)] if sentences else []


def _people(plan: "AccountPlan") -> list[str]:
    words = ("rows", "added", "updated", "unchanged", "rejected")
    rows = [
        (held.list_name, *(held.counts.get(word, 0) for word in words), "new list" if held.is_new else "")
        for held in plan.audiences
    ]
    return [*table(("list", *words, ""), rows), ""] if rows else []


def _statuses(plan: "AccountPlan") -> list[str]:
    """Who will be subscribed, and who will not, as the files have them."""
    lines = [
        f"{held.list_name}: " + ", ".join(f"{many:,} {status}" for status, many in held.statuses.items() if many)
        for held in plan.audiences
        if any(held.statuses.values())
    ]
    return [*lines, ""] if lines else []


def _found(plan: "AccountPlan") -> list[str]:
    contents = plan.contents
    return [
        *_people(plan),
        *_statuses(plan),
        f"{contents.drafts:>12,}  drafts",
        f"{contents.sent:>12,}  sent campaigns",
        f"{contents.templates:>12,}  templates",
        f"{contents.images:>12,}  images",
        "",
    ]


_NAMES = {"draft": "drafts", "sent": "sent campaigns", "template": "templates", "image": "images"}


def _brought(plan: "AccountPlan", brought: dict[str, Any]) -> list[str]:
    lines = [
        f"{brought[kind]['added']:>12,}  {name} added, {brought[kind]['here']:,} already here"
        for kind, name in _NAMES.items()
    ]
    return [*_people(plan), *lines]


def _after(refused: list[tuple[str, str]], elsewhere: int) -> list[str]:
    lines = [f"Not imported: {name}. {reason}" for name, reason in refused]
    if elsewhere:
        lines.append(
            f"{elsewhere:,} images are shown from Mailchimp's servers: the export doesn't hold them under that name. "
            "Replace them before the account is gone."
        )
    return lines
