"""What DNS says about a sender, in sentences: SPF, DKIM, DMARC, the return path, the server.

Rules: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 9989 (DMARC), and the bulk-sender rules of Gmail, Yahoo and Microsoft,
which since 2024 ask all three of whoever writes to more than about 5,000 people a day.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from samizdat.core.mail import sender_check
from samizdat.core.mail.sender_check import DnsValue, OurKey, SenderByRoute, SenderFinding
from samizdat.core.mail.spf import Ask
from samizdat.options import option

if TYPE_CHECKING:
    from dns.resolver import Resolver

# DNS over a slow line; after this the check says that it could not look.
PATIENCE = 4.0
# For all questions about one sender: somebody waits for the answer.
PATIENCE_FOR_ALL = 12.0
# Characters by which a long value is known.
SHORT = 40

# The areas of core/mail/sender_check.py, as they are called.
_AREAS: dict[str, Callable[[], str]] = {
    "spf": lambda: "SPF",
    "dkim": lambda: "DKIM",
    "dmarc": lambda: "DMARC",
    "return": lambda: _("Return path"),
    "ptr": lambda: "PTR",
    "tls": lambda: "TLS",
    "visible": lambda: _("Visibility"),
}


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One thing looked up. state: good, care (worth a look, or no server answered) or stop (missing); the sentence says
    what to do, publish the record to add or to replace. code: of sender_check.SENTENCES."""

    name: str
    state: str
    sentence: str
    text: str = ""
    code: str = ""
    publish: DnsValue | None = None

    @property
    def brief(self) -> str:
        """For where the record to publish stands below: a key has 400 characters, which nobody reads twice."""
        value = self.publish.value if self.publish else ""
        return self.sentence.replace(value, f"{value[:SHORT]}…") if len(value) > 2 * SHORT else self.sentence

    def document(self) -> dict[str, object]:
        facts: dict[str, object] = {"name": self.name, "state": self.state, "sentence": self.sentence}
        publish = self.publish.document() if self.publish else None
        return facts | {"found": self.text, "code": self.code, "publish": publish}


Lookup = Callable[[str], list[str] | None]


def look_up_txt(name: str) -> list[str] | None:
    """TXT strings of a name; [] when there are none, None when no server answered."""
    return look_up(name, "TXT", PATIENCE)


def asker(patience: float = PATIENCE_FOR_ALL) -> Ask:
    """Asks name servers, each question once, and all of them together for no longer than so many seconds: who waits for
    a slow server sees what the others say."""
    until, known = time.monotonic() + patience, dict[tuple[str, str], list[str] | None]()

    def ask(name: str, kind: str) -> list[str] | None:
        if (name, kind) not in known:
            left = min(until - time.monotonic(), PATIENCE)
            known[name, kind] = look_up(name, kind, left) if left > 0 else None
        return known[name, kind]

    return ask


def look_up(name: str, kind: str, patience: float) -> list[str] | None:
    """[] where there are none, None when no server answered."""
    # Here and not above: every process of the house has this module, and hardly one asks a name server.
    import dns.exception
    import dns.resolver

    try:
        answer = _resolver(patience).resolve(f"{name.rstrip('.')}.", kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.EmptyLabel):
        return []
    except (dns.exception.DNSException, OSError, UnicodeError):
        return None
    if kind == "TXT":
        return [b"".join(row.strings).decode("utf-8", "replace") for row in answer]
    if kind == "MX":
        return [row.exchange.to_text() for row in sorted(answer, key=lambda row: row.preference)]
    return [row.to_text() for row in answer]


def _resolver(patience: float) -> "Resolver":
    """Errors: DNSException on a machine that names no server."""
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=not option("SAMIZDAT_DNS"))
    if option("SAMIZDAT_DNS"):
        host, _colon, port = option("SAMIZDAT_DNS").partition(":")
        resolver.nameservers, resolver.port = [host], int(port or 53)
    resolver.lifetime = patience
    return resolver


def check_domain(
    domain: str,
    ask: Ask | None = None,
    ours: Sequence[OurKey] = (),
    waiting: str = "",
    published: Sequence[str] = (),
) -> list[DnsRecord]:
    """SPF, DKIM and DMARC of a domain, in that order. ours: the keys that we sign with for it. waiting: the domain
    whose keys are made and do not sign yet; published: those of them whose records were found."""
    sender = SenderByRoute(domain, domain, tuple(ours), domain, waiting=waiting, published=tuple(published))
    return in_words(sender_check.authentication(sender, ask or asker()))


def in_words(findings: Iterable[SenderFinding]) -> list[DnsRecord]:
    """The findings in the language that is spoken."""
    return [_in_words(finding) for finding in findings]


def _in_words(finding: SenderFinding) -> DnsRecord:
    sentence = _(sender_check.SENTENCES[finding.code]) % finding.values
    state = "care" if finding.severity == "unknown" else finding.severity
    return DnsRecord(_AREAS[finding.area](), state, sentence, finding.text, finding.code, finding.publish)
