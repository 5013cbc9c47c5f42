"""The preference centre: one token shows and changes one subscription, without script or cookie.

What stands here about a reader comes from a sheet in the public database (core/crypto/sealed_page) that they asked for
by a press: it is sealed with their token and with 16 random bytes of that press, lies for an hour or two, and holds no
address. A GET never asks for one, so a program that follows links makes nothing happen.

What cannot be undone, or concerns more than this subscription, takes their mailbox too: the house mails a link whose
token this process can neither make nor read.
"""

import base64
import json
import re
import secrets
from datetime import UTC, date, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import override

from samizdat import formatting
from samizdat.core import pagination
from samizdat.core.content.phrases import base, known, spoken
from samizdat.core.crypto import tokens as link
from samizdat.core.mail import address
from samizdat.public import tokens
from samizdat.public.door import drop_in
from samizdat.public.responses import (
    fields_of,
    holder_of,
    host_of,
    is_one_click,
    is_too_old,
    named,
    page_for,
    page_of,
    repeated,
    speaks,
    takes,
)
from samizdat.public.views import leave
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site

# A page that waits for the house asks again by itself: after so many seconds, so many times.
AGAIN, MOST_TIMES = 2, 15
# More are not shown: the page stays under 14 KB. No page ever has more topics than that.
MOST_OTHERS, MOST_TOPICS = 5, 64
# Every language that letters and mails to them can be said in, by its own name.
LANGUAGES = dict(sorted(((code, spoken(code).name) for code in known()), key=lambda entry: entry[1].casefold()))
OFTEN = ("all", "monthly", "digest", "pause")
# A field that comes twice says two things; nothing is done then. (Of two addresses the page of moving says so itself.)
ONCE = ("do", "often", "until", "language", "topics", "text", "discreet", "asking", "asks")
LONGEST_PAUSE = 400  # days, as in audience/actions/preferences
LONGEST_APPEALS = 300  # characters beside the box, as in audience/actions/forms

_SECRET = re.compile(r"[a-z2-7]{26}")
_LANGUAGE = re.compile(
    r"[A-Za-z]+(-[A-Za-z]+)*"
)  # What the worker takes (worker/inbox/preferences), of up to 8 letters.
_MAILED = {"data": "d", "erase": "e", "move": "n", "allow": "o", "asks": "g"}
# What the house says of one that waits, where it is not asked-PURPOSE: the same as of sign-ups.
_WAITING = {"asks": "pending-asks"}
# What the house says of a link that has done its work. (That of their data works as long as the data lies there.)
_DONE = {"erase": "erased", "move": "moved", "allow": "allowed", "asks": "agreed"}


@takes("GET", "HEAD", "POST")
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """The settings of one subscription. RFC 8058's one click leaves here too; what this page does not know does
    nothing."""
    holder, place = holder_of(request, token, "preferences", "leave", "test")
    if request.method != "POST":
        return _shown(request, holder, place)
    one_click = is_one_click(request)
    posted = fields_of(request)
    if holder.only_leaves and posted.get("do", "") in ("show", "save", "move"):
        return page_for(request, holder, place, "preferences_closed", {})
    if repeated(request, *ONCE):
        return _incomplete(request, holder, place)
    deed = {"show": _ask, "save": _save, "data": _by_mail, "erase": _by_mail, "move": _move}.get(posted.get("do", ""))
    if deed is not None:
        return deed(request, holder, place, posted)
    if one_click:
        return leave(request, token)
    return _incomplete(request, holder, place)


# -- showing ----------------------------------------------------------------------------------------------------


def _shown(request: HttpRequest, holder: tokens.TokenHolder, place: Site) -> HttpResponse:
    secret = request.GET.get("s", "")
    if holder.purpose == "test":
        return _settings(request, holder, place, _SAMPLE)
    if not _SECRET.fullmatch(secret) or holder.only_leaves:
        return page_for(request, holder, place, "preferences_closed", {})
    text = queries.sheet(place, holder.text + secret, timezone.now())
    if text is None:
        return _waiting(request, holder, place, secret)
    return _settings(request, holder, place, json.loads(text))


def _waiting(request: HttpRequest, holder: tokens.TokenHolder, place: Site, secret: str) -> HttpResponse:
    asked = request.GET.get("n", "")
    times = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
    again = f"/p/{holder.text}?s={secret}&n={times + 1}{_asked(request)}" if times < MOST_TIMES else ""
    response = page_for(request, holder, place, "preferences_waiting", {"again": again, "seconds": AGAIN})
    if again:
        response["Refresh"] = f"{AGAIN}; url={again}"
    return response


_SAMPLE: dict[str, Any] = {
    "list": 0, "often": "all", "until": "", "language": "", "wishes": "", "topics": [], "gathers": True
}  # fmt: skip


def _settings(request: HttpRequest, holder: tokens.TokenHolder, place: Site, sheet: dict[str, Any]) -> HttpResponse:
    if sheet.get("gone"):
        return page_for(request, holder, place, "preferences_gone", {})
    preferred = base(str(sheet["language"]))
    _name, language = named(request, holder, place, preferred)
    others = [form for form in queries.forms(place) if form.list != sheet["list"]]
    appeals: dict[str, Any] = sheet.get("appeals") or {}
    words = str(appeals.get("words", ""))[:LONGEST_APPEALS]
    with override(language):
        values = {
            "left": sheet.get("status", "subscribed") != "subscribed",
            "often": "pause" if sheet["until"] else sheet["often"],
            "days": _days(sheet["until"]),
            "gathers": sheet.get("gathers"),
            "languages": _languages(str(sheet["language"]), language),
            "text": "t" in sheet["wishes"],
            "discreet": "d" in sheet["wishes"],
            "topics": sheet["topics"][: pagination.shown([name for _number, name, _chosen in sheet["topics"]], words)],
            "appeals": appeals,
            "others": others[:MOST_OTHERS],
        }
        return page_for(request, holder, place, "preferences", values, preferred=preferred)


def _days(until: str) -> list[tuple[str, str, bool]]:
    """(value, text, chosen) of the days on which a pause may end."""
    today = timezone.now().astimezone(UTC).date()
    days = {today + timedelta(days=7), today + timedelta(days=14)}
    days |= {_first(today, months) for months in (1, 2, 3, 6, 12)}
    chosen = date.fromisoformat(until) if until else _first(today, 1)
    return [(day.isoformat(), formatting.shaped(day, "day"), day == chosen) for day in sorted(days | {chosen})]


def _first(day: date, months: int) -> date:
    """The first day of a month so many months from now."""
    return date(day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1, 1)


def _languages(own: str, page: str) -> list[tuple[str, str, bool]]:
    """A file can have brought anything: what the house would not take from here stays as it is, by an empty value."""
    chosen = own if _LANGUAGE.fullmatch(own) else "" if own else page
    offered = LANGUAGES if chosen in LANGUAGES else {chosen: _named(own or page), **LANGUAGES}
    return [(code, name, code == chosen) for code, name in offered.items()]


def _named(code: str) -> str:
    """Español (es-419): beside it stands the language without its region."""
    known_as = LANGUAGES.get(base(code))
    return f"{known_as} ({code})" if known_as else formatting.own_name(code)


# -- changing ---------------------------------------------------------------------------------------------------


def _ask(request: HttpRequest, holder: tokens.TokenHolder, place: Site, posted: dict[str, str]) -> HttpResponse:
    """The reader wants to see their settings: the house lays them out for the secret of this press."""
    secret = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    if holder.purpose != "test":
        secret = drop_in(place, "show", receipt=secret, token=holder.text, purpose=holder.purpose)
    return HttpResponse(status=303, headers={"Location": f"/p/{holder.text}?s={secret}{_asked(request)}"})


def _asked(request: HttpRequest) -> str:
    """The language that the link asked for goes along."""
    return f"&{asked}" if (asked := speaks(request)) else ""


def _save(request: HttpRequest, holder: tokens.TokenHolder, place: Site, posted: dict[str, str]) -> HttpResponse:
    """Takes what the form has, whole or not at all: half a form would switch things off that nobody touched."""
    often, until = posted.get("often", ""), posted.get("until", "")
    if often not in OFTEN or (often == "pause" and not _may_pause_until(until)):
        return _incomplete(request, holder, place)
    language = posted.get("language", "")[:8]
    if language and not _LANGUAGE.fullmatch(language):
        return _incomplete(request, holder, place)
    asking, asks = posted.get("asking", ""), bool(posted.get("asks"))
    # What the page showed and they changed: nothing is asked for or taken back that they did not touch.
    appeals = {("no", True): "yes", ("yes", False): "no"}.get((asking, asks), "")
    offered, topics = _numbers(posted.get("topics", "").split(",")), _numbers(request.POST.getlist("topic"))
    if holder.purpose != "test":
        drop_in(
            place,
            "prefer",
            token=holder.text,
            purpose=holder.purpose,
            often=often,
            until=until if often == "pause" else "",
            language=language,
            wishes=("t" if posted.get("text") else "") + ("d" if posted.get("discreet") else ""),
            topics=topics,
            offered=offered,
            appeals="no" if appeals == "no" else "",
        )
        if appeals == "yes":
            # The house asks their mailbox: whoever was forwarded a letter has this link.
            drop_in(place, "ask", token=holder.text, purpose=holder.purpose, what="asks")
    preferred = base(language)
    _name, language = named(request, holder, place, preferred)
    with override(language):
        day = formatting.shaped(date.fromisoformat(until), "day") if often == "pause" else ""
        values = {"often": often, "day": day, "text": posted.get("text"), "discreet": posted.get("discreet")}
        values["appeals"] = appeals
        return page_for(request, holder, place, "preferences_saved", values, preferred=preferred)


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts[:MOST_TOPICS] if text.isascii() and text.isdecimal() and len(text) < 20]


def _incomplete(request: HttpRequest, holder: tokens.TokenHolder, place: Site) -> HttpResponse:
    return page_for(request, holder, place, "preferences_closed", {"again": True}, status=422)


def _may_pause_until(text: str) -> bool:
    """A day that the house takes (audience/actions/preferences); what it would not is not promised."""
    try:
        until = date.fromisoformat(text)
    except ValueError:
        return False
    today = timezone.now().date()
    return len(text) == 10 and today < until <= today + timedelta(days=LONGEST_PAUSE)


def _by_mail(request: HttpRequest, holder: tokens.TokenHolder, place: Site, posted: dict[str, str]) -> HttpResponse:
    """Their data, or its end: a mail goes to their mailbox, and only its link does it."""
    what = posted["do"]
    if holder.purpose != "test":
        drop_in(place, "ask", token=holder.text, purpose=holder.purpose, what=what)
    return page_for(request, holder, place, "preferences_mailed", {"what": what})


def _move(request: HttpRequest, holder: tokens.TokenHolder, place: Site, posted: dict[str, str]) -> HttpResponse:
    written = posted.get("email", "")
    try:
        if repeated(request, "email"):
            raise address.BadAddress("two_at")
        asked = address.normalize(written)
    except address.BadAddress:
        return page_for(request, holder, place, "preferences_move", {"written": written[:254]}, status=422)
    if holder.purpose != "test":
        drop_in(place, "move", token=holder.text, purpose=holder.purpose, address=asked)
    return page_for(request, holder, place, "preferences_mailed", {"what": "move"})


# -- what a mail of ours leads to -------------------------------------------------------------------------------


@takes("GET", "HEAD", "POST")
def by_mail(request: HttpRequest, kind: str, token: str) -> HttpResponse:
    """The page behind a link that the house mailed: it shows on GET and does on POST. The house proves the token;
    here it is known by what the house said of it."""
    purpose = next((name for name, short in _MAILED.items() if short == kind), "")
    try:
        place, text = queries.place(tokens.reader.owner(token)), link.spelled(token)
    except link.BadToken:
        raise Http404 from None
    if place is None or not purpose or not queries.reachable(place, host_of(request)):
        raise Http404
    state, language = queries.token_state(text), speaks(request) or place.language
    with override(language):
        sheet = queries.sheet(place, text, timezone.now()) if purpose == "data" else None
        waits = state == _WAITING.get(purpose, f"asked-{purpose}") and not _has_expired(purpose, text)
        if not (waits or state == _DONE.get(purpose)) or (purpose == "data" and sheet is None):
            return page_of(request, place, language, "by_mail_old", {}, status=404)
        if request.method == "POST" and sheet is not None:
            return _file(sheet)
        done = state == _DONE.get(purpose)
        if request.method == "POST" and not done:
            drop_in(place, "allowed" if purpose == "allow" else "proven", token=text, purpose=purpose)
            done = True
        values = {"what": purpose, "done": done, "path": f"/{kind}/{text}"}
        return page_of(request, place, language, "by_mail_link", values)


def _has_expired(purpose: str, text: str) -> bool:
    """Of a link whose page knows the day in it."""
    return purpose in _WAITING and is_too_old(tokens.reader.glimpse(text, purpose).edition)


def _file(text: str) -> HttpResponse:
    response = HttpResponse(text + "\n", content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response
