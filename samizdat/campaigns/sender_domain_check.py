"""What the domain of a From address says about who may send for it: SPF, DKIM, DMARC.

Rules: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC), and the bulk-sender rules of Gmail, Yahoo and Microsoft,
which since 2024 ask all three of whoever writes to more than about 5,000 people a day.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django.utils.translation import gettext as _

from samizdat.core.mail import dkim
from samizdat.options import option

if TYPE_CHECKING:
    from dns.resolver import Resolver

# DNS over a slow line; after this the check says that it could not look.
PATIENCE = 4.0

# Selectors that relays commonly hand out. A key under another name is found only by asking the relay.
SELECTORS = ("default", "dkim", "mail", "s1", "s2", "k1", "k2", "selector1", "selector2", "google", "mta", "samizdat")


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One thing looked up. state: good, care (worth a look) or stop (missing); the sentence says what to do."""

    name: str
    state: str
    sentence: str
    text: str = ""

    def document(self) -> dict[str, object]:
        return {"name": self.name, "state": self.state, "sentence": self.sentence, "found": self.text}


class OurKey(Protocol):
    """A DKIM key that we sign with. name: where its record stands."""

    @property
    def name(self) -> str: ...
    @property
    def selector(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def public(self) -> str: ...


Lookup = Callable[[str], list[str] | None]


def look_up_txt(name: str) -> list[str] | None:
    """TXT strings of a name; [] when there are none, None when no server answered."""
    # Here and not above: every process of the house has this module, and hardly one asks a name server.
    import dns.exception
    import dns.resolver

    try:
        answer = _resolver().resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError):
        return None
    return [b"".join(row.strings).decode("utf-8", "replace") for row in answer]


def _resolver() -> "Resolver":
    """Errors: DNSException on a machine that names no server."""
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=not option("SAMIZDAT_DNS"))
    if option("SAMIZDAT_DNS"):
        host, _colon, port = option("SAMIZDAT_DNS").partition(":")
        resolver.nameservers, resolver.port = [host], int(port or 53)
    resolver.lifetime = PATIENCE
    return resolver


def check_domain(
    domain: str,
    look_up: Lookup = look_up_txt,
    ours: Sequence[OurKey] = (),
    waiting: str = "",
    published: Sequence[str] = (),
) -> list[DnsRecord]:
    """SPF, DKIM and DMARC of a domain, in that order. ours: the keys that we sign with for it. waiting: the domain
    whose keys are made and do not sign yet; published: those of them whose records were found."""
    texts = look_up(domain)
    if texts is None:
        return [_unanswered(name, domain) for name in ("SPF", "DKIM", "DMARC")]
    signature = _our_dkim(ours, look_up) if ours else _dkim(domain, look_up, waiting, published)
    return [_spf(domain, texts), signature, _dmarc(domain, look_up)]


def _unanswered(name: str, place: str) -> DnsRecord:
    sentence = _("No DNS server answered for %(name)s. Check the connection, then press Check again.")
    return DnsRecord(name, "care", sentence % {"name": place})


def _spf(domain: str, texts: Iterable[str]) -> DnsRecord:
    records = [text for text in texts if text.lower().startswith("v=spf1")]
    if len(records) > 1:
        return DnsRecord(
            "SPF",
            "stop",
            _("%(domain)s has two SPF records, but only one is allowed. Merge them.") % {"domain": domain},
        )
    if not records:
        sentence = _("%(domain)s has no SPF record. Ask your sending provider which line to add as TXT of %(domain)s.")
        return DnsRecord("SPF", "stop", sentence % {"domain": domain})
    if records[0].rstrip().endswith("+all"):
        return DnsRecord("SPF", "stop", _("The SPF record lets everyone send as you. End it with ~all."), records[0])
    return DnsRecord("SPF", "good", _("SPF record found. It has to include the sending provider you use."), records[0])


def _our_dkim(ours: Sequence[OurKey], look_up: Lookup) -> DnsRecord:
    """A letter whose record is missing or another one counts as forged."""
    for key in ours:
        texts = look_up(key.name)
        values = {"selector": key.selector, "name": key.name}
        if texts is None:
            return _unanswered("DKIM", key.name)
        if dkim.found_in(texts, key.algorithm, key.public) != "right":
            sentence = _(
                "Emails are signed with %(selector)s, but its record is missing or different. Add the TXT record "
                "%(name)s as Domains shows it to admins."
            )
            return DnsRecord("DKIM", "stop", sentence % values, texts[0][:80] if texts else "")
    names = ", ".join(key.selector for key in ours)
    return DnsRecord(
        "DKIM", "good", _("Samizdat signs, and the records are found: %(selectors)s.") % {"selectors": names}
    )


def _dkim(domain: str, look_up: Lookup, waiting: str, published: Sequence[str]) -> DnsRecord:
    for selector in SELECTORS:
        keys = [text for text in look_up(f"{selector}._domainkey.{domain}") or [] if "p=" in text]
        if keys:
            sentence = _("A DKIM key is published under %(selector)s.") % {"selector": selector}
            return DnsRecord("DKIM", "good", sentence, keys[0][:80])
    if waiting and published:
        sentence = _(
            "The records of our keys are published (%(selectors)s), but the keys don’t sign yet. Activate them."
        )
        return DnsRecord("DKIM", "care", sentence % {"selectors": ", ".join(published)})
    if waiting:
        sentence = _("The keys of %(domain)s don’t sign yet. Publish their records, then activate the keys.")
        return DnsRecord("DKIM", "care", sentence % {"domain": waiting})
    sentence = _(
        "We have no active key for %(domain)s and found none under the usual names. Add one under Domains "
        "(admins only) or turn on DKIM at the sending provider. Without a signature, mailbox providers ignore "
        "one-click unsubscribe."
    )
    return DnsRecord("DKIM", "care", sentence % {"domain": domain})


def _dmarc(domain: str, look_up: Lookup) -> DnsRecord:
    place = "_dmarc." + domain
    texts = look_up(place)
    # A subdomain without a record of its own falls under its parent's (RFC 7489, 6.6.3).
    if texts == [] and domain.count(".") > 1:
        place = "_dmarc." + domain.split(".", 1)[1]
        texts = look_up(place)
    if texts is None:
        return _unanswered("DMARC", place)
    records = [text for text in texts if text.lower().replace(" ", "").startswith("v=dmarc1")]
    if not records:
        sentence = _("No DMARC record found. Add TXT _dmarc.%(domain)s with the value: v=DMARC1; p=none")
        return DnsRecord("DMARC", "stop", sentence % {"domain": domain})
    return DnsRecord("DMARC", "good", _("DMARC record found."), records[0])
