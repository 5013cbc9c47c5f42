"""Reports that receivers send daily about a domain: who sends in its name (DMARC aggregate reports, RFC 9990, earlier
RFC 7489, appendix C), and whether email to it came encrypted (SMTP TLS reports, RFC 8460).

Whoever likes may send one, so each part has a limit: of the message (mime.py), of what a compressed file becomes, of
levels, rows and characters. XML with a document type is refused: entities are how a small file becomes a large one.

Of a sender's address only its network is kept: enough to see that a stranger's server uses the domain.
"""

import ipaddress
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Literal
from xml.parsers import expat

from samizdat.core import bounded_json
from samizdat.core.bounce import mime

# Bytes of a report, unpacked: one of Gmail about a million emails has 2 MB.
MOST_BYTES = 20_000_000
MOST_LEVELS, MOST_ROWS, MOST_TEXT = 10, 20_000, 300
# Values of one in JSON.
MOST_VALUES = 500_000
# Sources that are kept of a report; the others are one.
MOST_SOURCES = 200
MOST_COUNT = 1_000_000_000
# Seconds since 1970: of the year 6325, which is still one of the calendar.
MOST_TIME = 1 << 37

_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?")
_RESULT = re.compile(r"[a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class ReportTally:
    """source: network of a sending server, or the host that received. by: of a sender, the domain whose SPF or DKIM
    passed, "" for none. result: of DMARC pass, dkim, spf (only that was aligned) or fail; of TLS success, or a result
    type of RFC 8460, 4.3. count: emails, or connections."""

    source: str
    by: str
    result: str
    count: int


@dataclass(frozen=True, slots=True)
class DomainReport:
    """kind: dmarc or tls. begin: seconds since 1970. policy: what receivers applied."""

    kind: str
    reporter: str
    number: str
    domain: str
    begin: int
    policy: str
    tallies: tuple[ReportTally, ...]


# What is read of a message: None where it has no report; "unreadable" where it has one that is broken, or beyond the
# limits.
type ReadResult = DomainReport | Literal["unreadable"] | None


class _Bad(ValueError):
    """No report, or one beyond the limits."""


def read(raw: bytes, size: int) -> ReadResult:
    """Of a whole message."""
    try:
        parts = [*_leaves(mime.split(raw, size))]
    except mime.Unreadable:
        return "unreadable"
    is_broken = False
    for part in parts:
        if part.get("content-transfer-encoding").strip().lower() == "base64":
            data = mime.unbase64(part.body.encode("latin-1", "replace"))
        else:
            data = part.body.encode("latin-1", "replace").strip()
        try:
            if report := read_file(data):
                return report
        # LookupError: an XML file names an encoding that there isn't.
        except (_Bad, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            is_broken = True
    return "unreadable" if is_broken else None


def read_all(raws: Sequence[bytes], sizes: Sequence[int]) -> tuple[ReadResult, ...]:
    """The same for many: a process that reads them is asked once."""
    return tuple(read(raw, size) for raw, size in zip(raws, sizes, strict=True))


def read_file(data: bytes) -> DomainReport | None:
    """An XML or JSON file, or one that is packed as gzip or zip. None for another file. Errors: ValueError and what
    values of the wrong kind raise."""
    data = _unpacked(data)
    if data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        return _tls(bounded_json.read(data.removeprefix(b"\xef\xbb\xbf"), MOST_VALUES))
    if b"<feedback" in data[:2000]:
        return _dmarc(data)
    return None


def _leaves(part: mime.Part) -> Iterator[mime.Part]:
    if not part.parts:
        yield part
    for inner in part.parts:
        yield from _leaves(inner)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(wbits=31)
        try:
            plain = unpack.decompress(data, MOST_BYTES + 1)
        except zlib.error:
            raise _Bad("gzip") from None
        return _bounded(plain)
    if data.startswith(b"PK\x03\x04"):
        return _bounded(_first_of_zip(data))
    return _bounded(data)


def _first_of_zip(data: bytes) -> bytes:
    """The largest one has no more than a report may have, whatever its directory says."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = [info for info in archive.infolist()[:10] if info.filename.lower().endswith((".xml", ".json"))]
            if not names:
                raise _Bad("zip")
            with archive.open(names[0]) as file:
                return file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        raise _Bad("zip") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise _Bad("bytes")
    return data


# --- DMARC ---


class _Feedback:
    """Collects text by the path of elements, and a dictionary for each record."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.tallies = Counter[tuple[str, str, str]]()
        self._path: list[str] = []
        self._text = ""
        self._record: dict[str, str] = {}
        self._passed: list[str] = []
        self._auth: dict[str, str] = {}
        self._rows = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        self._text = ""
        if len(self._path) > MOST_LEVELS:
            raise _Bad("levels")
        if self._path == ["feedback", "record"]:
            self._rows += 1
            if self._rows > MOST_ROWS:
                raise _Bad("rows")
            self._record, self._passed = {}, []
        if name in ("dkim", "spf") and "auth_results" in self._path:
            self._auth = {}

    def words(self, text: str) -> None:
        if len(self._text) < MOST_TEXT:
            self._text = (self._text + text)[:MOST_TEXT]

    def end(self, name: str) -> None:
        name, text = name.rpartition(":")[2], self._text.strip()
        inside = self._path[1:]
        if self._path == ["feedback", "record"]:
            self._count()
        elif inside[:1] == ["record"]:
            self._of_record(inside[1:], name, text)
        elif text:
            self.facts.setdefault("/".join(inside), text)
        self._path.pop()
        self._text = ""

    def _of_record(self, path: list[str], name: str, text: str) -> None:
        if path[:1] != ["auth_results"]:
            self._record.setdefault("/".join(path), text)
        elif len(path) == 3:
            self._auth[name] = text.lower()
        elif len(path) == 2 and self._auth.get("result") == "pass":
            self._passed.append(_domain(self._auth.get("domain", "")))

    def _count(self) -> None:
        dkim, spf = (self._record.get(f"row/policy_evaluated/{name}", "").lower() == "pass" for name in ("dkim", "spf"))
        result = "pass" if dkim and spf else "dkim" if dkim else "spf" if spf else "fail"
        by = next(filter(None, self._passed), "")
        self.tallies[network(self._record["row/source_ip"]), by, result] += _number(self._record["row/count"])


def _dmarc(data: bytes) -> DomainReport:
    feedback = _Feedback()
    parser = expat.ParserCreate(namespace_separator=":")
    parser.StartElementHandler, parser.EndElementHandler = feedback.start, feedback.end
    parser.CharacterDataHandler = feedback.words
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise _Bad("xml") from None
    facts = feedback.facts
    return DomainReport(
        "dmarc",
        facts.get("report_metadata/org_name", "")[:100],
        facts.get("report_metadata/report_id", ""),
        _domain(facts["policy_published/domain"]),
        _number(facts["report_metadata/date_range/begin"].partition(".")[0], most=MOST_TIME),
        facts.get("policy_published/p", "none").lower()[:20],
        _largest(feedback.tallies),
    )


def _refuse(*_declared: object) -> None:
    raise _Bad("document type")


def network(text: str) -> str:
    """Of a server's address: /24 or /48. Errors: ValueError."""
    address = ipaddress.ip_address(text.strip())
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _domain(text: str) -> str:
    name = text.strip().rstrip(".").lower()
    return name if _DOMAIN.fullmatch(name) else ""


def _number(value: Any, most: int = MOST_COUNT) -> int:
    number = int(value)
    if not 0 <= number <= most:
        raise _Bad("number")
    return number


def _largest(tallies: Counter[tuple[str, str, str]]) -> tuple[ReportTally, ...]:
    """The largest ones; the others by result, without their source."""
    ordered = sorted(tallies.items(), key=lambda item: (-item[1], item[0]))
    rest = Counter[str]()
    for (_source, _by, result), count in ordered[MOST_SOURCES:]:
        rest[result] += count
    kept = [ReportTally(*names, count) for names, count in ordered[:MOST_SOURCES]]
    return (*kept, *(ReportTally("", "", result, count) for result, count in sorted(rest.items())[:MOST_SOURCES]))


# --- TLS ---


def _tls(document: Any) -> DomainReport | None:
    policies = document.get("policies")
    if not policies or "report-id" not in document:
        return None
    tallies = Counter[tuple[str, str, str]]()
    for policy in policies[:100]:
        _policy_tallies(policy, tallies)
    first = policies[0]["policy"]
    return DomainReport(
        "tls",
        mime.storable(str(document.get("organization-name", ""))[:100]),
        mime.storable(str(document["report-id"])[:MOST_TEXT]),
        _domain(str(first["policy-domain"])),
        _time(str(document["date-range"]["start-datetime"])),
        mime.storable(str(first.get("policy-type", ""))[:20]),
        _largest(tallies),
    )


def _policy_tallies(policy: Any, tallies: Counter[tuple[str, str, str]]) -> None:
    summary = policy["summary"]
    failed = _number(summary.get("total-failure-session-count", 0))
    tallies["", "", "success"] += _number(summary.get("total-successful-session-count", 0))
    for detail in (policy.get("failure-details") or ())[:1000]:
        result = str(detail.get("result-type", "")).lower()
        host = _domain(str(detail.get("receiving-mx-hostname", "")))
        count = _number(detail.get("failed-session-count", 0))
        tallies[host, "", result if _RESULT.fullmatch(result) else "other"] += count
        failed -= count
    if failed > 0:
        tallies["", "", "other"] += failed


def _time(text: str) -> int:
    return _number(datetime.fromisoformat(text).timestamp(), most=MOST_TIME)
