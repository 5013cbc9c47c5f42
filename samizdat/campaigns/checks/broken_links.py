"""Links and pictures of a letter, asked for because somebody pressed the button; the answers are kept for a day."""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from samizdat.campaigns.checks import fetch
from samizdat.campaigns.checks.pictures import HEAVY
from samizdat.campaigns.checks.results import LinkVerdict, StoredChecks, change
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.content.checks import Readability
from samizdat.core.content.problems import ContentProblem

GOOD_FOR = timedelta(days=1)
# Links of one letter that are asked; a digest has some fifty.
MOST = 200

_NO_WAY = frozenset({"no_host", "no_name", "no_connection"})
_PICTURE = re.compile(r'<img\b[^<>]{0,2000}?\bsrc="(https?://[^"<>]{1,2000})"', re.IGNORECASE)


def wanted(reading: Readability) -> list[str]:
    """Links and pictures that can be asked for: of other hosts, without a part of a reader's."""
    return [url for url in (*reading.links, *pictures(reading)) if _host(url) and _host(url) not in reading.own][:MOST]


def pictures(reading: Readability) -> list[str]:
    return [html.unescape(url) for url in dict.fromkeys(_PICTURE.findall(reading.html))]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def ask(
    campaign: Campaign,
    reading: Readability,
    now: datetime,
    asking: Callable[[Iterable[str]], Iterator[tuple[str, fetch.FetchedPage]]] | None = None,
) -> dict[str, fetch.FetchedPage]:
    """Asks every link anew and keeps what came of it. Takes up to 45 s; nothing of the database is held meanwhile.

    Errors: CampaignError when not one of several could be reached: then it is this machine that has no way out.
    """
    pages = dict((asking or fetch.ask_all)(wanted(reading)))
    if len(pages) > 1 and all(page.verdict == "dead" and page.detail in _NO_WAY for page in pages.values()):
        raise CampaignError(_("We couldn’t check the links: this server has no internet access. Try again later."))

    def changed(known: StoredChecks) -> None:
        # Those that were not asked wait for the next press.
        asked = {url: page for url, page in pages.items() if page.verdict != "unasked"}
        known.links = {url: LinkVerdict(page.verdict, page.detail, now, page.size) for url, page in asked.items()}

    change(campaign, changed, now)
    return pages


def fresh(known: StoredChecks, now: datetime) -> dict[str, LinkVerdict]:
    """Answers that are not older than a day."""
    return {url: answer for url, answer in known.links.items() if now - answer.at < GOOD_FOR}


def unasked(reading: Readability, known: StoredChecks, now: datetime) -> list[str]:
    answered = fresh(known, now)
    return [url for url in wanted(reading) if url not in answered]


def flaws(reading: Readability, known: StoredChecks, now: datetime) -> Iterator[ContentProblem]:
    """What is wrong with the links of this letter, as far as they were asked."""
    answered = fresh(known, now)
    for url, answer in ((url, answered[url]) for url in reading.links if url in answered):
        shown = _short(url)
        if answer.verdict == "dead":
            yield reading.flaw("link_dead", url, url=shown, why=why(answer.detail))
        elif answer.verdict == "inside":
            yield reading.flaw("link_inside", url, url=shown)
        elif answer.verdict == "moved":
            yield reading.flaw("link_moved", url, url=shown, to=_short(answer.detail))
    for url, answer in ((url, answered[url]) for url in pictures(reading) if url in answered):
        if answer.verdict in ("dead", "inside"):
            yield reading.flaw("image_dead", url, url=_short(url), why=why(answer.detail or "no_answer"))
        elif answer.size > HEAVY:
            yield reading.flaw("image_heavy", url, url=_short(url), size=f"{answer.size // 1000:,}")


def why(detail: str) -> str:
    """Why a link is dead, in the language of whoever looks."""
    words: dict[str, Any] = {
        "no_host": lambda: _("site not found"),
        "no_name": lambda: _("DNS lookup timed out"),
        "no_connection": lambda: _("no response"),
        "no_certificate": lambda: _("certificate not valid"),
        "no_answer": lambda: _("no response in time"),
        "loop": lambda: _("too many redirects"),
        "bad_address": lambda: _("not a valid address"),
        "404": lambda: _("page not found (404)"),
        "410": lambda: _("page removed (410)"),
    }
    return str(words[detail]()) if detail in words else _("error %(code)s") % {"code": detail}


def _short(url: str) -> str:
    return url if len(url) <= 80 else url[:77] + "..."
