"""organization sender, list sender: who new campaigns come from."""

from email.utils import parseaddr
from typing import Any

import click

from samizdat.accounts.default_sender import DefaultSender
from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say

_FROM = click.option(
    "--from", "sender", metavar='"Name <a@b>"', help="none removes it. Shows the current one if not given."
)
_REPLY_TO = click.option("--reply-to", default="", metavar="EMAIL", help="Address for replies; default: the sender.")


def name_and_address(sender: str) -> tuple[str, str]:
    """Errors: CommandFailed."""
    name, address = parseaddr(sender)
    if "@" not in address:
        raise CommandFailed(
            f'{sender} isn\'t a sender. Write it like "Northern Lantern <letter@lantern.example>".', "bad_sender"
        )
    return name, address


@click.command("sender")
@_FROM
@_REPLY_TO
@common
def of_organization(sender: str | None, reply_to: str) -> None:
    """Who new campaigns come from, unless their list has its own sender."""
    bootstrap.open_house()
    from samizdat.accounts import sealed_settings
    from samizdat.delivery.actions.default_senders import set_for_organization

    organization = bootstrap.organization()
    if sender is not None:
        set_for_organization(organization, _sender(sender, reply_to), now=bootstrap.now())
    _say({}, sealed_settings.leading(organization).default_sender)


@click.command("sender")
@click.argument("name")
@_FROM
@_REPLY_TO
@common
def of_list(name: str, sender: str | None, reply_to: str) -> None:
    """Who new campaigns to a list come from."""
    bootstrap.open_house()
    from samizdat.audience import queries as audience
    from samizdat.delivery.actions.default_senders import set_for_list

    mailing_list = audience.list_named(bootstrap.organization(), name)
    if sender is not None:
        set_for_list(mailing_list, _sender(sender, reply_to), now=bootstrap.now())
    _say({"list": name}, audience.details_of(mailing_list).default_sender)


def _sender(sender: str, reply_to: str) -> DefaultSender:
    return DefaultSender() if sender == "none" else DefaultSender(*name_and_address(sender), reply_to)


def _say(document: dict[str, Any], kept: DefaultSender) -> None:
    line = f"{kept.name} <{kept.email}>".strip() if kept.email else "No default sender."
    line += f", replies to {kept.reply_to}" if kept.reply_to else ""
    say({**document, "name": kept.name, "email": kept.email, "reply_to": kept.reply_to}, line)
