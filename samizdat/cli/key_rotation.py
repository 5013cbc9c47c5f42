"""keys rotate: another key in place of one, while everything goes on."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap, instance_key
from samizdat.cli.output import CommandFailed, common, confirm, note, say

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.backup.index_rotation import IndexRotation
    from samizdat.backup.rotation import Rotation

# Values between two lines of progress.
_TOLD = 100_000


@click.command("rotate")
@click.argument("what", type=click.Choice(["data", "index", "links", "instance", "status"]))
@click.option(
    "--to", type=click.Path(path_type=Path), help="File for the new instance key, where it isn’t in a file here."
)
@partial(common)
def keys_rotate(what: str, to: Path | None) -> None:
    """Replace the key that encrypts the organization's data, and encrypt it all again, while everything goes on (data).
    Or the key that finds addresses without showing them (index). Both can be stopped at any moment: run again, they go
    on. Or replace the key that links in emails are made with (links), or the instance key, which opens all keys of all
    organizations (instance). Or show how far that is (status).
    """
    if what == "instance":
        instance_key.rotate(to)
        return
    bootstrap.open_house()
    if what == "data":
        _data(bootstrap.organization())
    elif what == "index":
        _index(bootstrap.organization())
    elif what == "links":
        _links(bootstrap.organization())
    else:
        _status(bootstrap.organization())


def _data(organization: "Organization") -> None:
    from samizdat.backup import rotation

    last = 0

    def tell(sealed: int) -> None:
        nonlocal last
        if sealed - last >= _TOLD:
            last = sealed
            note(f"{sealed} encrypted again")

    goes_on = rotation.status(organization).left > 0
    if not goes_on:
        rotation.begin(organization, now=bootstrap.now())
    walked = rotation.walk(organization, tell)
    after = rotation.status(organization)
    say(
        {**_document(after), "continued": goes_on, "encrypted_again": walked.sealed, "altered": walked.broken},
        f"{walked.sealed} values were encrypted again. {_sentence(after)}",
        *([f"{walked.broken} can't be opened by any key, so they were left as they are."] if walked.broken else []),
        *(["Run it again once imports are done: they still used the old key."] if walked.left > 0 else []),
    )


def _index(organization: "Organization") -> None:
    from samizdat.backup import index_rotation

    standing, last = index_rotation.status(organization), 0
    if not standing.goes_on and index_rotation.is_full(organization):
        raise CommandFailed("This organization has as many index keys as it can have. Nothing was changed.", "full")

    def tell(rows: int) -> None:
        nonlocal last
        if rows - last >= _TOLD:
            last = rows
            note(f"{rows} found by the new key")

    renewed = index_rotation.rotate(organization, now=bootstrap.now, tell=tell)
    after = index_rotation.status(organization)
    say(
        {
            **_index_document(after),
            "continued": standing.goes_on,
            "renewed": renewed.rows,
            "dropped": list(renewed.dropped),
        },
        f"{renewed.rows} entries were changed to the new key. {_index_sentence(after)}",
    )


def _links(organization: "Organization") -> None:
    from samizdat.backup import rotation

    if rotation.links_are_full(organization):
        raise CommandFailed("This organization has as many link keys as it can have. Nothing was changed.", "full")
    confirm(
        "Replace the link key? By links in emails from before, people can still unsubscribe; all else works for 8 more "
        "days. Addresses for webhooks have to be entered at the providers again."
    )
    rotation.replace_links(organization, now=bootstrap.now())
    count, until = rotation.former_links(organization, bootstrap.now().date())
    waiting = rotation.unsent_by_former(organization)
    say(
        {"former_links": count, "until": until, "unsent": waiting},
        "Links are made with a new key from now on.",
        *([f"{waiting} campaigns that aren't sent yet keep the former key."] if waiting else []),
        "If a provider reports by webhook, enter its new address there: samizdat route webhook",
    )


def _status(organization: "Organization") -> None:
    from samizdat.backup import index_rotation, rotation

    now, index = rotation.status(organization), index_rotation.status(organization)
    count, until = rotation.former_links(organization, bootstrap.now().date())
    last = ["To go on: samizdat keys rotate data"] if now.left else []
    last += ["To go on: samizdat keys rotate index"] if index.goes_on else []
    links = f"Former link keys: {count}" + (f"; their links do more than unsubscribe until {until}." if until else ".")
    about_instance, sentence = instance_key.standing()
    document = {**_document(now), **_index_document(index), "former_links": count, "until": until, **about_instance}
    say(document, _sentence(now), _index_sentence(index), links, sentence, *last)


def _document(now: "Rotation") -> dict[str, object]:
    return {"data_key": now.current, "former": list(now.former), "left": now.left, "kept": now.kept}


def _sentence(now: "Rotation") -> str:
    if not now.former:
        return f"Data key {now.current} is in use. There was no other one."
    former = ", ".join(map(str, now.former))
    return (
        f"Data key {now.current} is in use; former: {former}. Encrypted with former ones: {now.left} values that will "
        f"be encrypted again, and {now.kept} of the log, consent records and exports that stay as they are."
    )


def _index_document(now: "IndexRotation") -> dict[str, object]:
    return {
        "index_key": now.current,
        "index_coming": now.coming,
        "index_former": list(now.former),
        "index_left": now.left,
        "index_kept": now.kept,
    }


def _index_sentence(now: "IndexRotation") -> str:
    if now.coming is not None:
        return f"Index key {now.current} is in use, and {now.coming} is about to be."
    if not now.former:
        return f"Index key {now.current} is in use. There is no other one."
    former = ", ".join(map(str, now.former))
    return (
        f"Index key {now.current} is in use; former: {former}. Under former ones: {now.left} entries that will be "
        f"changed, and {now.kept} of the suppression list that stay, because nobody here knows the addresses."
    )
