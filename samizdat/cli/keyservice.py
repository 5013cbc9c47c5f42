"""keyservice: the key service on another host. These commands need no database and nothing of an installation."""

import ipaddress
import os
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, settings, table
from samizdat.options import key_file, keyservice_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samizdat.core.crypto.key_service import KnownClient, ServiceState
    from samizdat.keyservice.store import ServiceStore

PATH = click.Path(path_type=Path)
_common = partial(common, chooses=False)


@click.group("keyservice")
def keyservice() -> None:
    """A key service on another host: it gives the instance key to servers that it knows, until it is stopped."""


def _store() -> "ServiceStore":
    from samizdat.keyservice.store import ServiceStore

    return ServiceStore(keyservice_folder())


# -- create and run ----------------------------------------------------------------------------------------------------


@keyservice.command("init")
@click.option("--address", "host", required=True, help="Where servers reach it: HOST or HOST:PORT.")
@click.option("--key-file", "given", type=PATH, help="The key file of the installation; default: SAMIZDAT_KEY_FILE.")
@click.option("--passphrase-file", type=click.Path(), help="File with the new passphrase. Asked for if not given.")
@click.option(
    "--days", type=click.IntRange(0, 3650), default=30, show_default=True, help="Stop if nobody confirms; 0: never."
)
@_common
def keyservice_init(host: str, given: Path | None, passphrase_file: str | None, days: int) -> None:
    """Create the folder of a key service: the key under a passphrase, its certificates, and an empty log. Copy the key
    file here for this, and delete it afterwards.
    """
    from samizdat.cli.keys import new_passphrase
    from samizdat.core.crypto import fingerprint, passphrase, seal
    from samizdat.core.crypto.key_service import STATE, KeyServiceBroken, ServiceState, address_in, address_text
    from samizdat.keyservice import certificates, store

    try:
        name, port = address_in(host)
    except KeyServiceBroken:
        raise CommandFailed("--address isn't understood. Write keys.example.org:8470.", "bad_address") from None
    key = _key_in(given or key_file())
    mark = fingerprint.text(seal.derive(key, fingerprint.PURPOSE))
    wrapped = passphrase.WrappedKey.wrap(key, new_passphrase(passphrase_file), mark, os.urandom(16), os.urandom(12))
    now = store.utc_now().replace(microsecond=0)
    authority = certificates.authority(now)
    state = ServiceState(STATE, mark, address_text(name, port), "", now, now, now, days)
    files = {
        store.KEY: wrapped.text,
        store.AUTHORITY: authority,
        store.SERVICE: certificates.service(authority, name, now),
    }
    _store().make(state, files, now)
    say(
        {"folder": str(keyservice_folder()), "installation": mark, "address": state.address, "days": days},
        f"The key service of installation {mark} is in {keyservice_folder()}.",
        "1. Delete the key file from this host. Keep a copy of it, or shares on paper, elsewhere.",
        "2. Start it: samizdat keyservice serve",
        "3. For each server: samizdat keyservice add-server NAME --to NAME.pairing",
    )


def _key_in(path: Path) -> bytes:
    """Errors: VaultError."""
    from samizdat.vault.sources import passphrase
    from samizdat.vault.sources.key_file import key_in, read_key_text, wrapped_in

    text = read_key_text(path)
    if wrapped := wrapped_in(text):
        _ask_here()
        return passphrase.instance_key(wrapped, path)
    return key_in(text, str(path))


def _ask_here() -> None:
    from samizdat.vault.sources import passphrase

    passphrase.ask_by(bootstrap.ask if bootstrap.can_ask() else None)


@keyservice.command("serve")
@click.option("--listen", help="HOST:PORT to listen at; default: all addresses, at the port of its address.")
@_common
def keyservice_serve(listen: str | None) -> None:
    """Run the key service, until TERM. It asks for the passphrase, or reads SAMIZDAT_PASSPHRASE_FILE."""
    from samizdat import logs, processes
    from samizdat.core.crypto.key_service import KeyServiceBroken, address_in, address_text
    from samizdat.keyservice import program
    from samizdat.vault.sources import passphrase

    store = _store()
    try:
        host, port = address_in(listen) if listen else ("0.0.0.0", address_in(store.state().address)[1])
    except KeyServiceBroken:
        raise CommandFailed("--listen isn't understood. Write 0.0.0.0:8470.", "bad_address") from None
    processes.begin_forgetful()
    logs.configure()
    _ask_here()
    program.serve(
        store,
        host,
        port,
        opened=lambda wrapped: passphrase.instance_key(wrapped, store.folder / "key"),
        ready=lambda host, port: note(f"The key service answers at {address_text(host, port)}."),
    )


# -- servers and people ------------------------------------------------------------------------------------------------


@keyservice.command("add-server")
@click.argument("name")
@click.option("--to", "to", type=PATH, required=True, help="Pairing file to write.")
@click.option("--from", "networks", multiple=True, metavar="ADDRESS", help="Only from this address or network.")
@_common
def keyservice_add_server(name: str, to: Path, networks: tuple[str, ...]) -> None:
    """Let a server ask for the key. Bring the pairing file to that server yourself: anyone who has it can ask as that
    server.
    """
    from samizdat.core.crypto.key_service import KnownClient, Pairing, address_in
    from samizdat.keyservice import certificates
    from samizdat.keyservice.store import AUTHORITY, SERVICE, utc_now
    from samizdat.vault.sources.key_file import write_key_text

    try:
        allowed = [str(ipaddress.ip_network(network)) for network in networks]
    except ValueError:
        raise CommandFailed("--from has to be an IP address or network, like 203.0.113.5.", "bad_address") from None
    store, now = _store(), utc_now()
    target = _new_path(to)
    with store.changing(now, "server_added", name) as change:
        _check_new(name, change.state)
        pem, digest = certificates.client(store.pem(AUTHORITY), name, now)
        change.set(servers=[*change.state.servers, KnownClient(name, digest, now.replace(microsecond=0), allowed)])
        host, port = address_in(change.state.address)
        service = certificates.digest_of(store.pem(SERVICE))
        pairing = Pairing(change.state.installation, name, host, port, service, pem)
        write_key_text(target, pairing.text)
    say(
        {"server": name, "pairing_file": str(target), "networks": allowed},
        f"{target} lets {name} ask for the key. Bring it there yourself, for example on a USB stick, then delete it "
        "here.",
        "On that server, as the user that serve becomes: mode 0600, and SAMIZDAT_KEY_SERVICE names it.",
        *([] if allowed else ["It counts from any address. To allow only that server's own, use --from."]),
    )


@keyservice.command("remove-server")
@click.argument("name")
@_common
def keyservice_remove_server(name: str) -> None:
    """Give a server no key from now on: it locks its organizations within a minute."""
    _remove("server", name)


@keyservice.command("add-person")
@click.argument("name")
@click.option("--to", "to", type=PATH, required=True, help="File with a certificate for a browser to write (.p12).")
@_common
def keyservice_add_person(name: str, to: Path) -> None:
    """Let a person open the page of the key service, in a browser with this certificate."""
    from samizdat.core.crypto.key_service import KnownClient
    from samizdat.keyservice import certificates
    from samizdat.keyservice.store import AUTHORITY, utc_now

    store, now = _store(), utc_now()
    target, password = _new_path(to), secrets.token_urlsafe(15)
    with store.changing(now, "person_added", name) as change:
        _check_new(name, change.state)
        bundle, digest = certificates.person(store.pem(AUTHORITY), name, password, now)
        change.set(people=[*change.state.people, KnownClient(name, digest, now.replace(microsecond=0))])
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(bundle)
        address = change.state.address
    say(
        {"person": name, "file": str(target), "password": password, "page": f"https://{address}/"},
        f"Open {target} on the person's phone or computer. Its password: {password}",
        f"Then the page is at https://{address}/",
    )


@keyservice.command("remove-person")
@click.argument("name")
@_common
def keyservice_remove_person(name: str) -> None:
    """Let a person open the page no longer."""
    _remove("person", name)


def _remove(what: str, name: str) -> None:
    from samizdat.keyservice.store import utc_now

    field = {"server": "servers", "person": "people"}[what]
    with _store().changing(utc_now(), f"{what}_removed", name) as change:
        known: list[KnownClient] = getattr(change.state, field)
        left = [each for each in known if each.name != name]
        if len(left) == len(known):
            raise CommandFailed(f"The key service knows no {what} “{name}”.", "unknown")
        change.set(**{field: left})
    after = "It locks its organizations within a minute." if what == "server" else "The page is closed to them now."
    say({what: name, "state": "removed"}, f"{name} was removed. {after}")


def _check_new(name: str, state: "ServiceState") -> None:
    from samizdat.core.crypto.key_service import NAME

    if not NAME.fullmatch(name):
        raise CommandFailed("Use a name like newsletter-1: a to z, digits and hyphens.", "bad_name")
    if name in {each.name for each in (*state.servers, *state.people)}:
        raise CommandFailed(f"“{name}” is known already. Choose another name, or remove it first.", "exists")


def _new_path(path: Path) -> Path:
    path = path.absolute()
    if path.exists():
        raise CommandFailed(f"{path} exists already, and nothing is overwritten. Move it away.", "exists")
    return path


# -- stop, start, confirm ----------------------------------------------------------------------------------------------


@keyservice.command("stop")
@_common
def keyservice_stop() -> None:
    """Give the key to no server from now on: each locks its organizations within a minute."""
    from samizdat.keyservice import store

    stopped = store.stop(_store(), store.utc_now(), "on the command line")
    sentence = "Stopped. Every server locks its organizations within a minute."
    say({"given": False, "changed": stopped}, sentence if stopped else "It was stopped already.")


@keyservice.command("start")
@_common
def keyservice_start() -> None:
    """Give the key again. Then restart the program, which asks for the passphrase."""
    from samizdat.keyservice import store

    opened = _store()
    opened.check_log()
    confirm("Give the key to the known servers again?")
    started = store.start(opened, store.utc_now(), "on the command line")
    again = "Restart the program, which asks for the passphrase: systemctl restart samizdat-keyservice"
    say(
        {"given": True, "changed": started},
        *(["Started.", again] if started else ["It wasn't stopped."]),
        *(["On each server, then unlock its organizations: samizdat keys unlock --all"] if started else []),
    )


@keyservice.command("confirm")
@_common
def keyservice_confirm() -> None:
    """Confirm that someone keeps this key service. If nobody does for the days that were set, it stops."""
    from samizdat.keyservice import store

    opened = _store()
    if not store.confirm(opened, store.utc_now(), "on the command line"):
        raise CommandFailed("It is stopped. To give the key again: samizdat keyservice start", "stopped")
    until = opened.state().confirm_until()
    say({"confirmed": True, "until": until}, f"Confirmed{f', until {until:%Y-%m-%d %H:%M} UTC' if until else ''}.")


# -- status and log ----------------------------------------------------------------------------------------------------

_STANDING = {
    "": "The key is given to the servers below, while the program runs.",
    "stopped": "Stopped: no server gets the key.",
    "not_confirmed": "Stopped because nobody confirmed: no server gets the key.",
}


@keyservice.command("status")
@_common
def keyservice_status() -> None:
    """Show whether the key is given, until when someone has to confirm, and which servers and people are known."""
    from samizdat.keyservice import certificates
    from samizdat.keyservice.store import SERVICE, utc_now

    store = _store()
    entries, state = store.log(), store.state()
    why, until = state.why_not(utc_now()), state.confirm_until()
    starts = {
        each.name: next(
            (e.at for e in reversed(entries) if e.kind == "asked" and e.about.split()[0] == each.name), None
        )
        for each in state.servers
    }
    say(
        {
            "given": not why,
            "why": why,
            "since": state.since,
            "confirm_until": until,
            "installation": state.installation,
            "address": state.address,
            "certificate_until": certificates.until(store.pem(SERVICE)),
            "servers": [_document(each) | {"last_start": starts[each.name]} for each in state.servers],
            "people": [_document(each) for each in state.people],
            "log": {"entries": state.entries, "head": state.head},
        },
        _STANDING[why],
        f"Installation {state.installation}, at {state.address}, since {state.since:%Y-%m-%d %H:%M} UTC.",
        *([f"Confirm by {until:%Y-%m-%d %H:%M} UTC: samizdat keyservice confirm"] if until and not why else []),
        *_rows(state, starts),
        f"Log: {state.entries} entries, the last one {state.head[:16]}. Nothing in it was altered.",
    )


def _document(known: "KnownClient") -> dict[str, object]:
    return {"name": known.name, "added": known.added, "networks": known.networks, "certificate": known.certificate}


def _rows(state: "ServiceState", starts: "Mapping[str, object]") -> list[str]:
    rows = [
        (each.name, f"{starts[each.name] or 'never'}"[:16], ", ".join(each.networks) or "anywhere")
        for each in state.servers
    ]
    lines = table(("server", "last start", "may ask from"), rows) if rows else ["No server is known yet."]
    return [*lines, *(f"Page: {each.name}" for each in state.people)]


@keyservice.command("log")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many entries.")
@_common
def keyservice_log(last: int) -> None:
    """Show the log, after checking that no entry was altered."""
    entries = _store().log()
    if settings().json:
        say({"entries": [_entry_document(entry) for entry in entries[-last:]], "count": len(entries)})
        return
    say({}, *(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.kind}  {entry.about}".rstrip() for entry in entries[-last:]))


def _entry_document(entry: object) -> dict[str, object]:
    return {name: getattr(entry, name) for name in ("number", "at", "kind", "about", "hash")}
