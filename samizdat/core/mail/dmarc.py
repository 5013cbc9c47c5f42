"""Finds the DMARC policy of a domain and whether two domains are aligned, by the tree walk of RFC 9989, 4.10."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from samizdat.core.mail.spf import Ask

# A walk asks at most so many names: the domain itself, then from seven labels up (4.10).
MOST_QUERIES = 8
POLICIES = ("none", "quarantine", "reject")

_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(;|$)")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record at _dmarc.<name>. tags: lower case; unknown ones are ignored (4.7)."""

    name: str
    text: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def psd(self) -> str:
        return self.tags.get("psd", "u").lower()

    def is_strict(self, tag: str) -> bool:
        """tag: adkim or aspf."""
        return self.tags.get(tag, "r").lower() == "s"

    @property
    def is_valid(self) -> bool:
        """Whether p is there, and p, sp and np are policies. With a rua, one that isn't counts as p=none (4.10.1)."""
        values = [self.tags.get("p", "")] + [self.tags[tag] for tag in ("sp", "np") if tag in self.tags]
        return all(value.lower() in POLICIES for value in values)

    @property
    def is_applied(self) -> bool:
        reports = re.search(r"\b(mailto|https?):[^\s,]+", self.tags.get("rua", ""), re.IGNORECASE)
        return self.is_valid or reports is not None

    def policy(self, *, below: bool, exists: bool = True) -> str:
        """below: for a subdomain of where the record stands; exists: whether the subdomain has records of its own."""
        if not self.is_valid:
            return "none"
        tags = ("p",) if not below else ("sp", "p") if exists else ("np", "sp", "p")
        return next(self.tags[tag].lower() for tag in tags if tag in self.tags)


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """code: "" where a policy applies, else missing, several, syntax, no_policy or unanswered. place: the domain below
    whose _dmarc that is. organizational: of the domain that was asked about."""

    code: str
    place: str
    record: DmarcRecord | None = None
    policy: str = ""
    organizational: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stop:
    """What stands at one name of the walk. record: None where there is none, or several, which count as none."""

    name: str
    record: DmarcRecord | None
    texts: tuple[str, ...]
    answered: bool


def walk_names(domain: str) -> list[str]:
    """The names whose _dmarc is asked, in order."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) < MOST_QUERIES else labels[-(MOST_QUERIES - 1) :]
    return [domain, *(".".join(above[at:]) for at in range(len(above)))]


def parse(name: str, text: str) -> DmarcRecord | None:
    """None where it is no record of this version."""
    if not _VERSION.match(text):
        return None
    pairs = [part.partition("=") for part in text.split(";")]
    tags = {tag.strip().lower(): value.strip() for tag, equals, value in reversed(pairs) if equals}
    return DmarcRecord(name, text, tags)


def find(domain: str, ask: Ask) -> DmarcResult:
    """The policy for mail from this domain: its own, else its organizational domain's, else its public suffix's."""
    stops = _walk(domain, ask)
    organizational = _organizational(domain, stops)
    by_name = {stop.name: stop.record for stop in stops if stop.record}
    psd = next((stop.record for stop in stops if stop.record and stop.record.psd == "y"), None)
    record = by_name.get(domain) or by_name.get(organizational) or psd
    if record is None:
        return _nothing(domain, stops, organizational)
    if not record.is_applied:
        return DmarcResult("no_policy", record.name, record, "", organizational, (record.text,))
    policy = record.policy(below=record.name != domain, exists=_exists(record, domain, ask))
    code = "" if record.is_valid else "no_policy"
    return DmarcResult(code, record.name, record, policy, organizational, (record.text,))


def aligned(first: str, second: str, ask: Ask, *, strict: bool) -> bool | None:
    """None where no server answered. Strict: the same domain; else the same organizational domain (4.10.2)."""
    if strict or first == second:
        return first == second
    walks = [(domain, _walk(domain, ask)) for domain in (first, second)]
    if not all(stop.answered for _domain, stops in walks for stop in stops):
        return None
    return len({_organizational(domain, stops) for domain, stops in walks}) == 1


def _walk(domain: str, ask: Ask) -> list[_Stop]:
    stops = []
    for name in walk_names(domain):
        texts = ask(f"_dmarc.{name}", "TXT")
        records = [record for text in texts or () if (record := parse(name, text))]
        record = records[0] if len(records) == 1 else None
        alike = tuple(text for text in texts or () if re.match(r"\W*v\s*=\s*dmarc", text, re.IGNORECASE))
        stops.append(_Stop(name, record, alike, texts is not None))
        if record and record.psd in ("y", "n"):
            break
    return stops


def _organizational(domain: str, stops: list[_Stop]) -> str:
    last = domain
    for stop in stops:
        if stop.record and stop.record.psd == "n":
            return stop.name
        if stop.record and stop.record.psd == "y" and stop.name != domain:
            labels = domain.split(".")
            return ".".join(labels[-stop.name.count(".") - 2 :])
        last = stop.name if stop.record else last
    return last


def _nothing(domain: str, stops: list[_Stop], organizational: str) -> DmarcResult:
    wrong = next((stop for stop in stops if stop.texts), None)
    if not all(stop.answered for stop in stops):
        silent = next(stop.name for stop in stops if not stop.answered)
        return DmarcResult("unanswered", silent, organizational=organizational)
    if wrong is None:
        return DmarcResult("missing", domain, organizational=organizational)
    code = "several" if sum(bool(_VERSION.match(text)) for text in wrong.texts) > 1 else "syntax"
    return DmarcResult(code, wrong.name, None, "", organizational, wrong.texts)


def _exists(record: DmarcRecord, domain: str, ask: Ask) -> bool:
    """Asked only where it makes a difference."""
    if "np" not in record.tags or record.name == domain:
        return True
    answers = [ask(domain, kind) for kind in ("A", "AAAA", "MX")]
    return any(answers) or None in answers
