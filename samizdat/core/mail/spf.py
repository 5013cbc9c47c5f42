"""What the SPF record of a domain allows, as a receiver reads it: RFC 7208.

Who is at which address isn't asked, so every term counts: a record that is too large for some receivers is named before
one of them finds it out.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from samizdat.core.mail.address import is_at_or_below

# (name, type) -> what name servers answer: whole TXT values, host names, addresses; [] for nothing, None for no answer.
Ask = Callable[[str, str], Sequence[str] | None]

# RFC 7208, 4.6.4.
MOST_LOOKUPS, MOST_VOID, MOST_MX = 10, 2, 10

_TERM = re.compile(
    r"(?P<sign>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(?P<value>[^/\s]+(?:/\d{1,3})?|[0-9a-f:.]+(?:/\d{1,3})?))?(?P<length>(?:/\d{1,2})?(?://\d{1,3})?)",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>\S*)", re.IGNORECASE)

# Host of a route, or what it ends in -> what its provider wants included in SPF, by the handbook of each.
PROVIDERS = {
    "amazonaws.com": "amazonses.com",
    "brevo.com": "spf.brevo.com",
    "gmail.com": "_spf.google.com",
    "mail.ru": "_spf.mail.ru",
    "mailgun.org": "mailgun.org",
    "mailjet.com": "spf.mailjet.com",
    "mandrillapp.com": "spf.mandrillapp.com",
    "messagingengine.com": "spf.messagingengine.com",
    "office365.com": "spf.protection.outlook.com",
    "postmarkapp.com": "spf.mtasv.net",
    "scw.cloud": "_spf.scw-tem.cloud",
    "sendgrid.net": "sendgrid.net",
    "smtp2go.com": "spf.smtp2go.com",
    "yandex.ru": "_spf.yandex.net",
}


@dataclass(frozen=True, slots=True)
class SpfResult:
    """code: "" where receivers can use it, else missing, several, syntax, everyone, nobody, lookups, void, include or
    unanswered. where: the domain that was asked about, or of which nobody answered; detail: the term or names that it
    is about; via: the domain that it includes where the problem is."""

    code: str
    texts: tuple[str, ...] = ()
    where: str = ""
    detail: str = ""
    via: str = ""
    lookups: int = 0
    includes: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        return self.texts[0] if self.texts else ""


class _Problem(Exception):
    def __init__(self, code: str, detail: str = "", via: str = "") -> None:
        self.code, self.detail, self.via = code, detail, via


def provider_include(host: str) -> str:
    """What the provider behind this host wants included; "" for one that isn't known."""
    ends = (value for end, value in PROVIDERS.items() if is_at_or_below(host.lower(), end))
    return next(ends, "")


def records(texts: Iterable[str]) -> list[str]:
    """Those TXT values that are SPF records (4.5)."""
    return [text for text in texts if text.lower().split(" ", 1)[0] == "v=spf1"]


def read(domain: str, ask: Ask) -> SpfResult:
    """Reads the record of this domain, and all that it includes."""
    walk = _Walk(ask)
    problem = _Problem("")
    try:
        walk.read(domain)
        problem = _Problem("unanswered" if walk.silent else "" if walk.allows else "nobody")
    except _Problem as first:
        problem = first
    where = walk.silent if problem.code == "unanswered" else domain
    facts = problem.code, tuple(walk.top), where, problem.detail, problem.via
    return SpfResult(*facts, walk.lookups, frozenset(walk.includes))


class _Walk:
    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.top: list[str] = []
        self.includes: set[str] = set()
        self.allows = False
        self.silent = ""  # The first name for which no server answered.
        self.lookups = 0
        self._void: list[str] = []

    def read(self, domain: str, *, included: bool = False) -> None:
        """Errors: _Problem."""
        texts = self._ask(domain, "TXT")
        if texts is None:
            self.silent = self.silent or domain
            return
        own = records(texts)
        if not included:
            self.top = own or [text for text in texts if text.lower().startswith("v=spf")]
        if len(own) > 1:
            raise _Problem("several", str(len(own)))
        if not own:
            raise _Problem("syntax", self.top[0].split(" ")[0]) if self.top and not included else _Problem("missing")
        self._terms(domain, own[0].split()[1:])

    def _terms(self, domain: str, terms: Sequence[str]) -> None:
        redirect = ""
        for term in terms:
            if match := _TERM.fullmatch(term):
                if self._mechanism(domain, term, match):
                    return
            elif match := _MODIFIER.fullmatch(term):
                redirect = match["value"] if match["name"].lower() == "redirect" else redirect
            else:
                raise _Problem("syntax", term)
        if redirect:
            self._count()
            self._follow(redirect)

    def _mechanism(self, domain: str, term: str, match: re.Match[str]) -> bool:
        """Whether nothing behind it counts. Errors: _Problem."""
        name, value, passes = match["name"].lower(), match["value"] or "", match["sign"] in ("", "+")
        if name == "all":
            if value or match["length"]:
                raise _Problem("syntax", term)
            if passes:
                raise _Problem("everyone", term)
            return True
        if name in ("ip4", "ip6"):
            self._network(term, name, value + match["length"], passes)
        elif name in ("include", "exists") and not value:
            raise _Problem("syntax", term)
        else:
            self._count()
            self._look(name, value or domain)
        self.allows = self.allows or (passes and name != "include")
        return False

    def _network(self, term: str, name: str, text: str, passes: bool) -> None:
        kind = ipaddress.IPv4Network if name == "ip4" else ipaddress.IPv6Network
        try:
            network = kind(text, strict=False)
        except ValueError:
            raise _Problem("syntax", term) from None
        if passes and not network.prefixlen:
            raise _Problem("everyone", term)

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Problem("lookups")

    def _look(self, name: str, value: str) -> None:
        value = value.partition("/")[0]
        if name == "include":
            self._follow(value)
        elif name in ("a", "mx") and "%" not in value:
            kinds = ("A", "AAAA") if name == "a" else ("MX",)
            answers = [self._ask(value, kind) for kind in kinds]
            if any(answers):
                if name == "mx" and len(answers[0] or ()) > MOST_MX:
                    raise _Problem("lookups")
            elif None in answers:
                self.silent = self.silent or value
            else:
                self._note_void(value)

    def _note_void(self, name: str) -> None:
        self._void.append(name)
        if len(self._void) > MOST_VOID:
            raise _Problem("void", ", ".join(dict.fromkeys(self._void)))

    def _follow(self, name: str) -> None:
        """Whatever makes an included record useless makes this one useless, too (5.2)."""
        name = name.rstrip(".").lower()
        self.includes.add(name)
        if "%" in name:
            self.allows = True  # Depends on the sender: nobody but a receiver can say.
        else:
            try:
                self.read(name, included=True)
            except _Problem as problem:
                is_broken = problem.code in ("missing", "several", "syntax", "include")
                code, detail = ("include", name) if is_broken else (problem.code, problem.detail)
                raise _Problem(code, detail, via=name) from None


# --- what to publish ---


def merged(texts: Iterable[str]) -> str:
    """One record that allows what several allow; nobody else is ruled out more strictly than by ~all."""
    terms = [term for text in texts for term in text.split()[1:]]
    kept = [term for term in terms if term.lstrip("+-~?").lower() != "all"]
    return " ".join(["v=spf1", *dict.fromkeys(kept), "~all"])


def without(text: str, names: Iterable[str]) -> str:
    """The record without the terms that name these domains."""
    gone = set(names)
    kept = [term for term in text.split() if _named(term) not in gone]
    return " ".join(kept)


def _named(term: str) -> str:
    return re.split("[:=]", term, maxsplit=1)[-1].partition("/")[0].rstrip(".").lower()


def including(text: str, name: str) -> str:
    """The record, and this is included."""
    first, *terms = text.split() or ["v=spf1"]
    return " ".join([first, f"include:{name}", *(terms or ["~all"])])


def for_everyone_no_more(text: str) -> str:
    """The record, without terms that let everybody send."""
    open_terms = re.compile(r"\+?(all|ip4:[0-9.]+/0|ip6:[0-9a-f:]+/0)", re.IGNORECASE)
    return merged([" ".join(term for term in text.split() if not open_terms.fullmatch(term))])
