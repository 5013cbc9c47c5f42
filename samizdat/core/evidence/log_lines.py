"""Lines of a server's log or of a form's own log: who signed up or left, and when.

Nothing else of a line is kept: neither IP addresses nor what a browser calls itself.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from urllib.parse import unquote

from samizdat.core.bounce import addresses
from samizdat.core.evidence.fold import RowEvidence

MOST_LINE = 4_000  # characters that are read of one
# "POST /subscribe?email=ada%40example.org HTTP/1.1" 200
_REQUEST = re.compile(r'"(?:GET|POST|PUT) (?P<path>[^" ]{1,3000}) HTTP/[\d.]{1,3}" (?P<answer>\d{3})\b')
_DAY = re.compile(r"(?<!\d)(?P<y>20\d\d)[-/.](?P<m>\d\d)[-/.](?P<d>\d\d)(?!\d)")
_DOTTED = re.compile(r"(?<!\d)(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<y>20\d\d)(?!\d)")
_LOGGED = re.compile(r"\[(?P<d>\d\d)/(?P<m>[A-Z][a-z]{2})/(?P<y>20\d\d)[: ]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What stands before an address, though an address might hold it.
_SIGNS, _BETWEEN = re.compile(r"[=&?;,|]"), re.compile(r"[=&?;,|/]")
_LEAVES = re.compile(r"unsub|opt-?_?out|otpis|отпис", re.IGNORECASE)
_JOINS = re.compile(r"subscri|sign-?_?up|opt-?_?in|newsletter|mailing|podpis|подпис|рассыл", re.IGNORECASE)


def read_lines(lines: Iterable[str], *, signs_up: bool) -> Iterator[RowEvidence]:
    """Those with one address and one day. signs_up: the form was there to subscribe; otherwise who filled it in only
    wrote, unless the path of the request says more."""
    for line in lines:
        row = _read(line[:MOST_LINE], signs_up=signs_up)
        if row is not None:
            yield row


def _read(line: str, *, signs_up: bool) -> RowEvidence | None:
    request, day = _REQUEST.search(line), _day(line)
    text = unquote(request["path"].replace("+", "%20")) if request else line
    if not day or (request and request["answer"][0] not in "23"):
        return None
    parts = (_BETWEEN if request else _SIGNS).split(text)
    named = {match[1].lower(): match[1] for part in parts for match in addresses.ADDRESS.finditer(part)}
    if len(named) != 1:
        return None
    address = addresses.clean(next(iter(named.values())))
    if _LEAVES.search(text.replace(address, "")):
        return RowEvidence(address, "unsubscribed", day, day)
    says_yes = _JOINS.search(text.replace(address, "")) is not None if request else signs_up
    return RowEvidence(address, "subscribed" if says_yes else "wrote", day, day)


def _day(line: str) -> str:
    """As 2019-03-14; "" where there is none."""
    match = _LOGGED.search(line) or _DAY.search(line) or _DOTTED.search(line)
    if match is None:
        return ""
    month = _MONTHS.index(match["m"]) + 1 if match["m"] in _MONTHS else 0 if match["m"].isalpha() else int(match["m"])
    try:
        return date(int(match["y"]), month, int(match["d"])).isoformat()
    except ValueError:
        return ""
