"""Keys of links and of the index that come along, as former ones of this house."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import MOST_BROUGHT, bring_hosts
from samizdat.portability import read, value_limits
from samizdat.portability.errors import ExportRefused
from samizdat.portability.restore.documents import WrappedKeys
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey

# Of an organization, all exports together. Each move adds one of both; each address is looked for by all keys of the
# index, and the public process is told all keys of links.
MOST_LINKS, MOST_INDEX = 300, 20


def take_keys(
    organization: Organization, opened: read.OpenedExport, now: datetime, wrapped: WrappedKeys | None
) -> dict[int, int]:
    """Takes the keys of links and of the index over, as former ones: index number in the file -> number here.
    `wrapped`: by wrap_keys(), for a process that may not wrap."""
    new, versions = _new_keys(organization, opened)
    wrapped = wrapped or WrappedKeys(now.astimezone(UTC).date(), {})
    for kind, number, secret in new:
        key = bytes.fromhex(wrapped.keys.get(f"{kind}:{number}", "")) or keyring.wrap_former(
            organization, kind, number, secret, wrapped.day
        )
        VaultKey.objects.create(
            organization=organization, kind=kind, number=number, current=False, created=wrapped.day, wrapped=key
        )
    return versions


def take_hosts(organization: Organization, opened: read.OpenedExport) -> None:
    """Where links of letters that were sent lead to goes along with their keys. Errors: ExportRefused."""
    hosts = (opened.table("keys.json") or {}).get("hosts", [])
    if not isinstance(hosts, list) or len(hosts) > MOST_BROUGHT or not all(map(_is_host, hosts)):
        raise read.altered("keys.json")
    bring_hosts(organization, hosts)


def _is_host(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 253 and urlsplit(f"//{value}").hostname == value


def wrap_keys(organization: Organization, opened: read.OpenedExport, now: datetime) -> WrappedKeys:
    """The keys that an export brings, wrapped for this house. Only the desk and commands may have a key wrapped
    (vault/keyserver.py); the worker, which brings it in, writes down what it is given here. Errors: ExportRefused."""
    new, _versions = _new_keys(organization, opened)
    day = now.astimezone(UTC).date()
    wrapped = {
        f"{kind}:{number}": keyring.wrap_former(organization, kind, number, secret, day).hex()
        for kind, number, secret in new
    }
    return WrappedKeys(day, wrapped)


def _is_anothers(organization: Organization, number: int, secret: bytes) -> bool:
    """Whether another organization of the house has a key of this number and another secret. Its number stands in each
    of its letters, and with two of one number its readers could not leave: nobody meets it by chance."""
    rows = VaultKey.objects.select_related("organization").filter(kind="link", number=number)
    others = (keyring.keys(row.organization).links[number] for row in rows.exclude(organization=organization))
    return any(other.secret != secret for other in others)


def _too_many() -> ExportRefused:
    sentence = _(
        "With the keys in this export, the organization would have more than %(links)s link keys or %(index)s index "
        "keys. Export again without link keys."
    )
    return ExportRefused("too_many_keys", sentence % {"links": MOST_LINKS, "index": MOST_INDEX})


def _new_keys(
    organization: Organization, opened: read.OpenedExport
) -> tuple[list[tuple[str, int, bytes]], dict[int, int]]:
    """(kind, number here, secret) of keys that are not here yet, and index number in the file -> number here."""
    payload = opened.table("keys.json")
    if not payload:
        return [], {}
    try:
        links = {value_limits.whole(row["number"], read.KEY): bytes.fromhex(row["secret"]) for row in payload["links"]}
        index = {value_limits.whole(row["number"], read.KEY): bytes.fromhex(row["secret"]) for row in payload["index"]}
        assert all(len(secret) == 32 for secret in (*links.values(), *index.values()))
    except (AssertionError, KeyError, TypeError, ValueError) as wrong:
        raise read.altered("keys.json") from wrong
    mine = keyring.keys(organization)
    if len({*links, *mine.links}) > MOST_LINKS or len({*index.values(), *mine.index.values()}) > MOST_INDEX:
        raise _too_many()
    if any(_is_anothers(organization, number, secret) for number, secret in links.items()):
        raise read.altered("keys.json")
    new = [("link", number, secret) for number, secret in links.items() if number not in mine.links]
    versions: dict[int, int] = {}
    free = max(mine.index) + 1
    for version, secret in sorted(index.items()):
        known = next((here for here, held in mine.index.items() if held == secret), None)
        versions[version] = free if known is None else known
        if known is None:
            new.append(("index", free, secret))
            free += 1
    return new, versions
