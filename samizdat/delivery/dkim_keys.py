"""Who signs for a sender: named reads of sending domains and their keys."""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail import dkim
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import moves, sealed_domains
from samizdat.delivery.models import DkimKey, Route, SendingDomain


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key for people: its state and the record to publish, never its private half. The record is the sealed one:
    whoever writes the database would have another one published, whose private half they have."""

    id: int
    domain: str
    algorithm: str
    selector: str
    public: str  # "" where what is sealed doesn't open: then it is none of ours, and nothing is published.
    state: str
    since: date
    until: date | None
    seen: date | None

    @property
    def name(self) -> str:
        """Where its TXT record stands."""
        return dkim.record_name(self.selector, self.domain)

    @property
    def text(self) -> str:
        """What its TXT record says."""
        return dkim.record_text(self.algorithm, self.public)

    @property
    def is_altered(self) -> bool:
        return not self.public and self.state != "retired"

    @property
    def strings(self) -> list[str]:
        return dkim.txt_strings(self.text)

    @property
    def zone_line(self) -> str:
        return dkim.zone_line(self.name, self.text)

    def document(self) -> dict[str, object]:
        return {
            "selector": self.selector,
            "algorithm": self.algorithm,
            "state": self.state,
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "seen": self.seen.isoformat() if self.seen else None,
            "record": {"name": self.name, "type": "TXT", "value": self.text, "strings": self.strings}
            if self.public
            else None,
        }


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A sending domain with its keys: those that matter now first, retired ones last."""

    id: int
    name: str
    keys: tuple[KeyRow, ...]
    allowed: str = ""  # Why an admin lets campaigns go without its DNS records.
    is_spare: bool = False

    @property
    def active(self) -> tuple[KeyRow, ...]:
        return tuple(key for key in self.keys if key.state == "active")

    def document(self) -> dict[str, object]:
        return {
            "domain": self.name,
            "signs": bool(self.active),
            "keys": [key.document() for key in self.keys],
            "allowed": self.allowed or None,
            "spare": self.is_spare,
        }


_ORDER = {state: place for place, state in enumerate(("active", "new", "published", "retiring", "retired"))}


def domains(organization: Organization) -> list[DomainRow]:
    """All sending domains of an organization by name."""
    rows = SendingDomain.objects.select_related("organization").filter(organization=organization)
    return [_row(row) for row in rows.order_by("name").prefetch_related("keys")]


def domain_row(row: SendingDomain) -> DomainRow:
    return _row(row)


def _row(row: SendingDomain) -> DomainRow:
    waits, retired = sealed_domains.domain_waits(row), sealed_domains.retired_keys(row)
    keys = [_key_row(row, key, waits, retired) for key in row.keys.all()]
    keys.sort(key=lambda key: (_ORDER[key.state], key.algorithm, -key.id))
    return DomainRow(row.pk, row.name, tuple(keys), sealed_domains.allowed_reason(row), sealed_domains.is_spare(row))


def _key_row(row: SendingDomain, key: DkimKey, waits: bool, retired: set[int]) -> KeyRow:
    """waits: its domain has not been approved."""
    key.domain = row
    algorithm, selector, public, state = key.algorithm, key.selector, "", key.state
    with contextlib.suppress(SealError):
        sealed = sealed_domains.open_key(key, retired)
        algorithm, selector, public = sealed.algorithm, sealed.selector, sealed.public
        waits = waits or sealed.waits
    if state == "active" and (waits or not public):
        state = "published"  # Whoever wrote that it is active has no say.
    return KeyRow(key.pk, row.name, algorithm, selector, public, state, key.since, key.until, key.seen)


def domain_named(organization: Organization, name: str) -> SendingDomain | None:
    rows = SendingDomain.objects.select_related("organization")
    return rows.filter(organization=organization, name=name.strip().rstrip(".").lower()).first()


# --- signing ---


def at_or_above(name: str) -> list[str]:
    """The domain and those above it that are not a top-level one, the nearest first."""
    labels = name.split(".")
    return [".".join(labels[at:]) for at in range(len(labels) - 1)]


def signing_domain(organization: Organization, name: str) -> str:
    """Which of our domains signs for a sender at `name`; "" for none. A domain signs for those below it as well:
    DMARC asks for the same organizational domain (RFC 9989, 4.4.1)."""
    return next((row.name for row in domains_over(organization, name) if signs(row)), "")


def signs(row: SendingDomain) -> bool:
    with contextlib.suppress(SealError):
        return bool(sealed_domains.signing(row, _active(row)))
    return False


def is_proven(row: SendingDomain) -> bool:
    keys = row.keys.select_related("domain__organization").exclude(state="retired")
    return sealed_domains.is_proven(row, keys)


def named(names: Collection[str]) -> list[SendingDomain]:
    """Of all organizations."""
    return [*SendingDomain.objects.select_related("organization").filter(name__in=names)]


def domains_over(organization: Organization, name: str) -> list[SendingDomain]:
    """Those at or above `name`, the nearest first."""
    rows = [row for row in named(at_or_above(name)) if row.organization_id == organization.pk]
    return sorted(rows, key=lambda row: -len(row.name))


def _active(row: SendingDomain) -> QuerySet[DkimKey]:
    """Keys of which their rows say that they sign; whether they may is sealed. Ed25519 before RSA."""
    return row.keys.select_related("domain__organization").filter(state="active").order_by("algorithm")


def signing_keys(organization: Organization, name: str) -> list[dkim.SigningKey]:
    """The active keys for a sender at `name`, Ed25519 before RSA; none when nobody here signs for it.

    Errors: VaultError, SealError when they cannot be opened.
    """
    for row in domains_over(organization, name):
        if keys := sealed_domains.signing(row, _active(row)):
            return [dkim.SigningKey(row.name, key.selector, dkim.read_private(key.private)) for key in keys]
    return []


def announcing_keys(organization: Organization, name: str, campaign: int) -> list[dkim.SigningKey]:
    """As signing_keys, for a campaign. One that announces a move to another domain is signed by the former one too, as
    long as its keys are here: receivers know that one, and learn that both are the same sender's. Errors: those."""
    keys = signing_keys(organization, name)
    former = moves.announced_from(organization, campaign)
    if not former or former in {key.domain for key in keys}:
        return keys
    return [*keys, *(key for key in signing_keys(organization, former) if key.domain == former)]


def oldest_signing_domain(organization: Organization) -> str:
    """Of those in use, else of the spare ones; "" where none signs."""
    rows = SendingDomain.objects.select_related("organization").filter(organization=organization)
    signing = [row for row in rows.filter(keys__state="active").order_by("id").distinct() if signs(row)]
    return next((row.name for row in sorted(signing, key=sealed_domains.is_spare)), "")


def active_keys(organization: int) -> tuple[int, ...]:
    """Numbers of the keys that sign now: another answer than before means that makers have to be made anew."""
    rows = DkimKey.objects.filter(domain__organization=organization, state="active")
    return tuple(rows.order_by("pk").values_list("pk", flat=True))


def signed(route: Route, sender: str, content: bytes) -> bytes:
    """A single mail of ours (a confirmation, a test) as it goes by this route."""
    if not route.signs:
        return content
    try:
        name = domain(normalize(sender))
    except BadAddress:
        return content
    return dkim.sign(content, signing_keys(route.organization, name))


# --- what the check says ---


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs the letters of a sender. by: "us", "relay" (every route's provider), "both", "nobody", or "waiting": we
    will, when the keys that are there are published and active."""

    by: str
    domain: str  # Whose keys; "" where there are none of ours.
    keys: tuple[KeyRow, ...]
    relays: tuple[str, ...]  # Names of the routes whose provider has to sign.

    @property
    def selectors(self) -> list[str]:
        return [key.selector for key in self.keys]

    @property
    def sentence(self) -> str:
        values = {"domain": self.domain, "selectors": ", ".join(self.selectors), "names": ", ".join(self.relays)}
        return _SENTENCES[self.by]() % values


_SENTENCES: dict[str, Callable[[], str]] = {
    "us": lambda: _("Samizdat signs for %(domain)s with %(selectors)s."),
    "both": lambda: _(
        "Samizdat signs for %(domain)s with %(selectors)s; on these routes, the provider has to sign: %(names)s."
    ),
    "relay": lambda: _(
        "The provider has to sign: %(names)s. Check with the provider whether it does so for this domain."
    ),
    "waiting": lambda: _(
        "%(domain)s has keys that don’t sign yet. Publish their records at your DNS provider, then press Check and "
        "Activate on the domain’s page."
    ),
    "nobody": lambda: _(
        "Large mailbox providers require a DKIM signature of the sender domain. Add it under Domains (admins only), "
        "or say in the route that its provider signs."
    ),
}


def unsigning_domain(organization: Organization, name: str) -> str:
    """The nearest domain with keys that are there and do not sign yet; "" for none."""
    rows = domains_over(organization, name)
    return next((row.name for row in rows if row.keys.filter(state__in=("new", "published")).exists()), "")


def signature_of(organization: Organization, name: str) -> Signature:
    """For a sender at this domain, by the routes that may carry the letter."""
    routes = list(Route.objects.filter(organization=organization, state__in=("live", "throttled")).order_by("priority"))
    ours = signing_domain(organization, name) if name else ""
    relays = tuple(route.name for route in routes if not route.signs)
    if routes and len(relays) == len(routes):
        return Signature("relay", "", (), relays)
    if not ours:
        waits = unsigning_domain(organization, name) if name else ""
        return Signature("waiting" if waits else "nobody", waits, (), relays)
    row = domain_named(organization, ours)
    keys = _row(row).active if row else ()
    return Signature("both" if relays else "us", ours, keys, relays)
