"""domain check, add, ls, records, key, published, activate, rotate, retire, warm-up, rm: who signs the letters."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.labels import at_terminal
from samizdat.cli.output import CommandFailed, common, confirm, say, settings, table
from samizdat.vault.errors import VaultError

if TYPE_CHECKING:
    from samizdat.delivery.actions.domains import DnsLookup
    from samizdat.delivery.models import DkimKey, SendingDomain

KINDS = ("ed25519", "rsa")


@click.group()
def domain() -> None:
    """The domains letters come from, and the keys that sign them."""


@domain.command("check")
@click.argument("name")
@common
def domain_check(name: str) -> None:
    """Look up SPF, DKIM and DMARC of a domain and say what is missing. A new key whose record is there is published."""
    ours = _known(name)
    from samizdat.campaigns.sender_domain_check import check_domain

    looks: list[Any] = []
    active: Any = ()
    if ours is not None:
        from samizdat.delivery import dkim_keys
        from samizdat.delivery.actions import domains

        looks = domains.look(ours, now=bootstrap.now())
        active = dkim_keys.domain_row(ours).active
    ready = [entry.key.selector for entry in looks if entry.status == "right"]
    records = check_domain(name, ours=active, waiting=name if looks and not active else "", published=ready)
    marks = {"good": "well", "care": "look", "stop": "missing"}
    keys = [{"selector": entry.key.selector, "state": entry.key.state, "found": entry.status} for entry in looks]
    say(
        {"domain": name, "records": [record.document() for record in records], "keys": keys},
        *[f"{marks[record.state]:8} {record.name:6} {at_terminal(record.sentence)}" for record in records],
        *[f"{entry['selector']}: {entry['state']}. {_FOUND[str(entry['found'])]}" for entry in keys],
        *_next_step(ours, looks),
    )


_FOUND = {
    "right": "Its record is there.",
    "other": "Another key stands under its name. Publish ours: samizdat domain records",
    "revoked": "Its record is there but empty, which says that it is revoked. Publish it anew.",
    "missing": "Its record is not there yet. DNS can take an hour.",
    "silent": "No name server answered. Look at the line and check again.",
}


def _next_step(ours: "SendingDomain | None", looks: "list[DnsLookup]") -> list[str]:
    if ours and any(look.key.state == "published" for look in looks):
        return [f"Go on with: samizdat domain activate {ours.name}"]
    return []


def _known(name: str) -> "SendingDomain | None":
    """The sending domain, where there is a house with one organization (or one that is named); a check needs none."""
    bootstrap.load_django()
    try:
        bootstrap.open_house()
    except (CommandFailed, VaultError):
        return None
    from samizdat.accounts.models import Organization
    from samizdat.delivery.dkim_keys import domain_named

    if not settings().organization and Organization.objects.count() != 1:
        return None
    return domain_named(bootstrap.organization(), name)


def _domain(name: str) -> "SendingDomain":
    bootstrap.open_house()
    from samizdat.delivery.dkim_keys import domain_named

    sending_domain = domain_named(bootstrap.organization(), name)
    if sending_domain is None:
        raise CommandFailed(f"There is no sending domain {name}. Add it: samizdat domain add {name}", "no_such_domain")
    return sending_domain


def _key(name: str, selector: str) -> "DkimKey":
    key = _domain(name).keys.select_related("domain__organization").filter(selector=selector.lower()).first()
    if key is None:
        raise CommandFailed(
            f"{name} has no key under {selector}. Look with: samizdat domain records {name}", "no_such_selector"
        )
    return key


@domain.command("add")
@click.argument("name")
@click.option(
    "--algorithm",
    type=click.Choice(["both", *KINDS]),
    default="both",
    show_default=True,
    help="RSA is read by all receivers, Ed25519 costs a tenth.",
)
@common
def domain_add(name: str, algorithm: str) -> None:
    """Sign for a domain: makes its keys and shows the records to publish."""
    bootstrap.open_house()
    from samizdat.delivery.actions import domains

    kinds = KINDS if algorithm == "both" else (algorithm,)
    sending_domain = domains.add_domain(bootstrap.organization(), name, now=bootstrap.now(), algorithms=kinds)
    _show(sending_domain, f"Then look whether they are there: samizdat domain check {sending_domain.name}")


@domain.command("ls")
@common
def domain_ls() -> None:
    """The sending domains and their keys."""
    bootstrap.open_house()
    from samizdat.delivery.dkim_keys import domains

    domain_rows = domains(bootstrap.organization())
    rows = [
        (row.name, key.selector, key.algorithm, key.state, str(key.until or ""))
        for row in domain_rows
        for key in row.keys
    ]
    say(
        {"domains": [row.document() for row in domain_rows]},
        *table(("domain", "selector", "kind", "state", "record stays until"), rows),
    )


@domain.command("records")
@click.argument("name")
@common
def domain_records(name: str) -> None:
    """The TXT records of a domain's keys, to be published."""
    _show(_domain(name))


def _show(sending_domain: "SendingDomain", *lines: str) -> None:
    """The records of all keys that are not retired, each as a form wants it and as a line of a zone file."""
    from samizdat.delivery.dkim_keys import domain_row

    row = domain_row(sending_domain)
    shown = []
    for key in row.keys:
        if key.is_altered:
            shown.append(f"{key.selector} was changed in the database by other means. Retire it, and add another one.")
        elif key.state != "retired":
            shown += [f"TXT {key.name} ({key.state})", f"  {key.text}", f"  {key.zone_line}"]
    say(row.document(), *shown, *lines)


@domain.command("key")
@click.argument("name")
@click.option("--algorithm", type=click.Choice(KINDS), default="rsa", show_default=True)
@click.option("--selector", default="", help="A name of its own in DNS; made up otherwise.")
@click.option("--key-file", type=click.Path(), help="A private key (PEM) that is brought along.")
@common
def domain_key(name: str, algorithm: str, selector: str, key_file: str | None) -> None:
    """Add one more key, new or brought along from elsewhere."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    private = Path(key_file).read_bytes() if key_file else None
    domains.add_key(sending_domain, algorithm, now=bootstrap.now(), selector=selector, private=private)
    _show(sending_domain, f"Then look whether it is there: samizdat domain check {sending_domain.name}")


@domain.command("published")
@click.argument("name")
@click.argument("selector")
@common
def domain_published(name: str, selector: str) -> None:
    """Say that a record is there, when our resolver does not see it.

    It counts as a proof that this organization has the domain: no other one here writes from it without one.
    """
    key = _key(name, selector)
    from samizdat.delivery.actions import domains

    domains.say_published(key, now=bootstrap.now())
    say(_document(key), f"{key.selector} counts as published. Go on with: samizdat domain activate {name}")


def _document(key: "DkimKey") -> dict[str, Any]:
    return {"domain": key.domain.name, "selector": key.selector, "state": key.state}


@domain.command("activate")
@click.argument("name")
@click.argument("selector", required=False)
@common
def domain_activate(name: str, selector: str | None) -> None:
    """Sign with a key from now on; without SELECTOR, with the newest published one of each kind."""
    sending_domain = _domain(name)
    from samizdat.delivery import dkim_keys
    from samizdat.delivery.actions import domains

    if selector:
        domains.activate(_key(name, selector), now=bootstrap.now())
    elif not domains.activate_published(sending_domain, now=bootstrap.now()):
        raise CommandFailed(
            f"No key of {name} waits with its record published. Look with: samizdat domain check {name}",
            "not_published",
        )
    row = dkim_keys.domain_row(sending_domain)
    old = [
        f"{key.selector} retires: leave its record until {key.until}." for key in row.keys if key.state == "retiring"
    ]
    say(row.document(), f"Letters are signed with {', '.join(key.selector for key in row.active)}.", *old)


@domain.command("rotate")
@click.argument("name")
@click.option("--algorithm", type=click.Choice(KINDS), help="One kind alone.")
@common
def domain_rotate(name: str, algorithm: str | None) -> None:
    """Make a successor for each active key. The old ones sign until the new ones are activated."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.rotate(sending_domain, now=bootstrap.now(), algorithm=algorithm or "")
    _show(sending_domain, f"Publish the new ones, then: samizdat domain check {sending_domain.name}")


@domain.command("retire")
@click.argument("name")
@click.argument("selector")
@common
def domain_retire(name: str, selector: str) -> None:
    """Never sign with a key again and forget its private half."""
    key = _key(name, selector)
    confirm(f"Retire {key.selector}? It cannot come back.")
    from samizdat.delivery.actions import domains

    domains.retire(key, now=bootstrap.now())
    say(_document(key), f"{key.selector} is retired. Its record may go once its letters have arrived.")


@domain.command("warm-up")
@click.argument("name")
@click.argument("plan", metavar="N,N,…|standard|none")
@common
def domain_warm_up(name: str, plan: str) -> None:
    """How many letters go from a new domain on its first day, the second …, by all routes together."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.warm_up(sending_domain, "" if plan == "none" else plan, now=bootstrap.now())
    sentence = (
        f"{sending_domain.name} begins today with {sending_domain.warm_up}."
        if sending_domain.warm_up
        else f"{sending_domain.name} has no warm-up."
    )
    say({"domain": sending_domain.name, "warm_up": sending_domain.warm_up}, sentence)


@domain.command("rm")
@click.argument("name")
@common
def domain_rm(name: str) -> None:
    """Stop signing for a domain and forget its keys."""
    sending_domain = _domain(name)
    confirm(f"Remove {sending_domain.name} and its keys? Letters from it go out without our signature.")
    from samizdat.delivery.actions import domains

    domains.remove_domain(sending_domain, now=bootstrap.now())
    say({"domain": sending_domain.name, "removed": True}, f"{sending_domain.name} is removed.")
