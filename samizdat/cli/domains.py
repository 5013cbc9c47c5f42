"""domain check, add, ls, records, key, published, activate, rotate, retire, warm-up, allow, require, spare, switch, rm:
who signs the letters, what has to stand in DNS, and what takes the place of a domain that was lost."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, settings, table
from samizdat.health.words import at_terminal
from samizdat.vault.errors import VaultError

if TYPE_CHECKING:
    from samizdat.delivery.actions.domain_switch import SwitchPlan
    from samizdat.delivery.actions.domains import DnsLookup
    from samizdat.delivery.models import DkimKey, SendingDomain

KINDS = ("ed25519", "rsa")


@click.group()
def domain() -> None:
    """Sending domains, and the keys that sign emails from them."""


@domain.command("check")
@click.argument("name")
@common
def domain_check(name: str) -> None:
    """Look up SPF, DKIM and DMARC of a domain and say what is missing. A new key whose record is there is published."""
    ours = _known(name)
    looks: list[Any] = []
    if ours is not None:
        from samizdat.delivery.actions import domains

        looks = domains.look(ours, now=bootstrap.now())
    records, routes, allowed = _sender(ours, name)
    keys = [{"selector": entry.key.selector, "state": entry.key.state, "found": entry.status} for entry in looks]
    document = {"domain": name, "records": [record.document() for record in records], "keys": keys}
    say(
        {**document, "routes": routes, "allowed": allowed or None},
        *[f"{_MARKS[record.state]:8} {record.name:11} {at_terminal(record.sentence)}" for record in records],
        *[f"{entry['selector']}: {entry['state']}. {_FOUND[str(entry['found'])]}" for entry in keys],
        *([f"Campaigns may be sent without these records: {allowed}"] if allowed else []),
        *_next_step(ours, looks),
    )


_MARKS = {"good": "well", "care": "look", "stop": "missing"}


def _sender(ours: "SendingDomain | None", name: str) -> tuple[list[Any], list[dict[str, Any]], str]:
    """What is found of a sender at this domain by all routes, the codes by route, and why an admin allows it anyway.
    Where there is no house, SPF, DKIM and DMARC alone."""
    if ours is None:
        from samizdat.campaigns.sender_domain_check import check_domain

        return check_domain(name), [], ""
    from samizdat.delivery import sending_gate

    organization, sender = ours.organization, f"postmaster@{ours.name}"
    kept = sending_gate.kept_answers(sending_gate.gathered(organization, [sender], bootstrap.now()))
    settings = sending_gate.settings_for(organization, ours.name)
    verdicts = sending_gate.verdicts(organization, settings, sender, kept)
    routes = [
        {"route": verdict.route, "findings": {finding.code: finding.severity for finding in verdict.findings}}
        for verdict in verdicts
    ]
    records = [*sending_gate.records(verdicts), *sending_gate.visibility(kept, ours.name)]
    return records, routes, sending_gate.allowed_reason(organization, ours.name)


_FOUND = {
    "right": "The record is valid.",
    "other": "The record has another key. Publish ours: samizdat domain records",
    "unreadable": "The record is cut off or damaged. Copy the value again: samizdat domain records",
    "revoked": "The record is empty, which means that the key is revoked. Publish it again.",
    "missing": "No record yet. DNS can take an hour.",
    "silent": "No DNS server answered. Check your internet connection and try again.",
}


def _next_step(ours: "SendingDomain | None", looks: "list[DnsLookup]") -> list[str]:
    if ours and any(look.key.state == "published" for look in looks):
        return [f"Next: samizdat domain activate {ours.name}"]
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
        raise CommandFailed(f"There's no sending domain {name}. Add it: samizdat domain add {name}", "no_such_domain")
    return sending_domain


def _key(name: str, selector: str) -> "DkimKey":
    key = _domain(name).keys.select_related("domain__organization").filter(selector=selector.lower()).first()
    if key is None:
        raise CommandFailed(f"{name} has no key {selector}. See: samizdat domain records {name}", "no_such_selector")
    return key


@domain.command("add")
@click.argument("name")
@click.option(
    "--algorithm",
    type=click.Choice(["both", *KINDS]),
    default="both",
    show_default=True,
    help="All receivers verify RSA; Ed25519 needs a tenth of the time.",
)
@common
def domain_add(name: str, algorithm: str) -> None:
    """Add a sending domain: creates its DKIM keys and shows the records to publish."""
    bootstrap.open_house()
    from samizdat.delivery.actions import domains
    from samizdat.delivery.errors import DomainRefused

    kinds = KINDS if algorithm == "both" else (algorithm,)
    try:
        sending_domain = domains.add_domain(bootstrap.organization(), name, now=bootstrap.now(), algorithms=kinds)
    except DomainRefused as refused:
        if refused.code != "domain_taken":
            raise
        raise CommandFailed(f"{refused} Show its records: samizdat domain records {name}", refused.code) from None
    name = sending_domain.name
    _show(sending_domain, f"Publish them at your DNS provider. Then check them: samizdat domain check {name}")


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
            shown.append(f"{key.selector} was changed directly in the database. Retire it, and add another one.")
        elif key.state != "retired":
            shown += [f"TXT {key.name} ({key.state})", f"  {key.text}", f"  {key.zone_line}"]
    say(row.document(), *shown, *lines)


@domain.command("key")
@click.argument("name")
@click.option("--algorithm", type=click.Choice(KINDS), default="rsa", show_default=True)
@click.option("--selector", default="", help="Its name in DNS; chosen automatically if not given.")
@click.option("--key-file", type=click.Path(), help="A private key (PEM) from elsewhere.")
@common
def domain_key(name: str, algorithm: str, selector: str, key_file: str | None) -> None:
    """Add another key to a domain: a new one, or one from elsewhere."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    private = Path(key_file).read_bytes() if key_file else None
    domains.add_key(sending_domain, algorithm, now=bootstrap.now(), selector=selector, private=private)
    _show(sending_domain, f"Then check it: samizdat domain check {sending_domain.name}")


@domain.command("published")
@click.argument("name")
@click.argument("selector")
@common
def domain_published(name: str, selector: str) -> None:
    """Confirm that a record is published, if our DNS resolver doesn't see it.

    It proves that the domain belongs to this organization: no other organization here can send from it without a
    proof.
    """
    key = _key(name, selector)
    from samizdat.delivery.actions import domains

    domains.say_published(key, now=bootstrap.now())
    say(_document(key), f"{key.selector} counts as published. Next: samizdat domain activate {name}")


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
            f"No key of {name} is published and ready to activate. See: samizdat domain check {name}",
            "not_published",
        )
    row = dkim_keys.domain_row(sending_domain)
    old = [
        f"{key.selector} is being replaced: keep its record until {key.until}."
        for key in row.keys
        if key.state == "retiring"
    ]
    say(row.document(), f"Emails are signed with {', '.join(key.selector for key in row.active)}.", *old)


@domain.command("rotate")
@click.argument("name")
@click.option("--algorithm", type=click.Choice(KINDS), help="Replace this kind of key only.")
@common
def domain_rotate(name: str, algorithm: str | None) -> None:
    """Create a replacement for each active key. The old ones sign until the new ones are activated."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.rotate(sending_domain, now=bootstrap.now(), algorithm=algorithm or "")
    _show(sending_domain, f"Publish the new records, then: samizdat domain check {sending_domain.name}")


@domain.command("retire")
@click.argument("name")
@click.argument("selector")
@common
def domain_retire(name: str, selector: str) -> None:
    """Retire a key: it never signs again, and its private part is deleted."""
    key = _key(name, selector)
    confirm(f"Retire {key.selector}? This can't be undone.")
    from samizdat.delivery.actions import domains

    domains.retire(key, now=bootstrap.now())
    say(_document(key), f"{key.selector} is retired. Remove its record once the emails it signed have arrived.")


@domain.command("warm-up")
@click.argument("name")
@click.argument("plan", metavar="N,N,…|standard|none")
@common
def domain_warm_up(name: str, plan: str) -> None:
    """Set the warm-up of a new domain: emails on the first day, the second and so on, over all routes together."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.warm_up(sending_domain, "" if plan == "none" else plan, now=bootstrap.now())
    sentence = (
        f"The warm-up of {sending_domain.name} starts today: {sending_domain.warm_up}."
        if sending_domain.warm_up
        else f"{sending_domain.name} has no warm-up."
    )
    say({"domain": sending_domain.name, "warm_up": sending_domain.warm_up}, sentence)


@domain.command("allow")
@click.argument("name")
@click.option("--reason", required=True, help="Why; goes into the activity log.")
@common
def domain_allow(name: str, reason: str) -> None:
    """Send from a domain though its DNS lacks records that mailbox providers require."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.allow_without_records(sending_domain, reason, now=bootstrap.now())
    name = sending_domain.name
    again = f"To require its records again: samizdat domain require {name}"
    say(
        {"domain": sending_domain.name, "allowed": reason},
        f"{sending_domain.name} may send without its records.",
        again,
    )


@domain.command("require")
@click.argument("name")
@common
def domain_require(name: str) -> None:
    """Require the DNS records of a domain again before anything is sent from it."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domains

    domains.require_records(sending_domain, now=bootstrap.now())
    say({"domain": sending_domain.name, "allowed": None}, f"{sending_domain.name} needs its DNS records to send.")


@domain.command("spare")
@click.argument("name")
@click.option("--off", is_flag=True, help="It's no longer a spare one.")
@common
def domain_spare(name: str, off: bool) -> None:
    """Keep a domain as a spare one, to switch to when the domain in use is blocked, seized or distrusted."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domain_switch

    if off:
        domain_switch.keep_spare_no_more(sending_domain, now=bootstrap.now())
        sentence = f"{sending_domain.name} is no longer a spare domain."
    else:
        domain_switch.keep_spare(sending_domain, now=bootstrap.now())
        sentence = (
            f"{sending_domain.name} is a spare domain. In an emergency: samizdat domain switch {sending_domain.name}"
        )
    say({"domain": sending_domain.name, "spare": not off}, sentence)


@domain.command("switch")
@click.argument("name")
@click.option("--from", "old", default="", metavar="DOMAIN", help="The lost domain. Default: where most senders are.")
@click.option("--keep-sending", is_flag=True, help="Don't pause campaigns that are being sent from the lost domain.")
@click.option("--dry-run", is_flag=True, help="Show what would change. Changes nothing.")
@common
def domain_switch(name: str, old: str, keep_sending: bool, dry_run: bool) -> None:
    """Switch all senders, the bounce address and the unsubscribe address to a spare domain."""
    sending_domain = _domain(name)
    from samizdat.delivery.actions import domain_switch

    planned = domain_switch.planned(sending_domain, old, None)
    lines = _switch_lines(planned, keep_sending)
    if dry_run:
        say(planned.document(), *lines)
        return
    if not settings().json:
        for line in lines:
            note(line)
    confirm(f"Switch from {planned.old} to {planned.new}?", planned.document())
    result = domain_switch.switch(sending_domain, planned.old, now=bootstrap.now(), pauses=not keep_sending)
    say(
        planned.document() | {"result": result.document()},
        f"Emails come from {planned.new} now. Drafts changed: {result.drafts}. Scheduled as before: "
        f"{len(result.scheduled)}. Paused: {len(result.paused)}.",
        *(f"Campaign No. {number} waits for your decision: {reason}" for number, reason in result.left.items()),
        f"To undo it: samizdat domain switch {planned.old}",
    )


def _switch_lines(planned: "SwitchPlan", keep_sending: bool) -> list[str]:
    lines = [f"{before} -> {after}" for before, after in planned.addresses.items()]
    lines.append(f"Drafts: {len(planned.drafts)}. Scheduled campaigns: {len(planned.scheduled)}.")
    if planned.going:
        what = "They go on from it." if keep_sending else "They are paused."
        lines.append(f"Campaigns being sent from {planned.old}: {len(planned.going)}. {what}")
    if planned.public_host:
        lines.append(
            f"The public pages at {planned.public_host} stay where they are, and links lead there. If that name is "
            "lost too, give them another one: samizdat organization set --url"
        )
    return lines


@domain.command("rm")
@click.argument("name")
@common
def domain_rm(name: str) -> None:
    """Remove a sending domain and delete its keys."""
    sending_domain = _domain(name)
    confirm(f"Remove {sending_domain.name} and its keys? Emails from it are sent without our signature.")
    from samizdat.delivery.actions import domains

    domains.remove_domain(sending_domain, now=bootstrap.now())
    say({"domain": sending_domain.name, "removed": True}, f"{sending_domain.name} was removed.")
