"""What somebody typed before they noticed that they were signed out, offered to them again when they have signed in.

Nothing of it is kept on the server: a table of texts of people who are not signed in would be one more thing to seal,
to bound, to sweep, and for strangers to fill. The answer to the pressed button is the page to sign in, and what was
typed travels inside of it, sealed to the account whose page it was: the browser holds what it held before, and
whoever signs in there by another account cannot open it. Afterwards it is put in by their own press, as an ordinary
POST to where it was going, past every check that such a one meets; nothing happens by signing in alone.

Whose page it was is said by a mark that each form carries which takes part (`{% keep_typed %}`). It is signed, so only
this desk makes one, and it is of one account and one address: a page of somebody else can neither plant a text nor have
one sent anywhere. So it also answers for a form whose token against forgery is out of date, which is what happens to a
page that stood open while they signed in again in another tab.
"""

import base64
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core import signing
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts.models import Person
from samizdat.core.crypto import seal
from samizdat.vault import keyring
from samizdat.web.permissions import has_page
from samizdat.web.request import DeskRequest, VisitorRequest
from samizdat.web.settings.forms.team import SignInForm

# The fields by which a form says whose it is, and by which the page to sign in carries what was typed.
MARK, HELD = "keep_typed", "held"
# A day: they come back from lunch or the next morning. Longer, and a letter is put over what was written since.
LONGEST = timedelta(days=1)
# Characters as they travel. A page takes 4 MB (settings), and the sign-in has a few fields of its own.
MOST = 3_500_000
# Fields that are no text of theirs: the marks of the form, buttons, which say what to do besides saving, and the words
# by which somebody is sure: those are asked for again. What is secret is typed anew.
_TOKEN = "csrfmiddlewaretoken"
_LEFT_OUT = {_TOKEN, MARK, HELD, "then", "over", "remove", "look", "sure", "word"}
_SECRET = {"password", "old", "private", "secret", "refresh_token"}
_SALT = "samizdat.web.resume_after_sign_in"
_INSTANCE = bytes(16)


@dataclass(frozen=True, slots=True)
class UnsentForm:
    """to: where the form was going. back: the page it stood on. fields: (name, value) each."""

    to: str
    back: str
    fields: Sequence[tuple[str, str]]

    @property
    def texts(self) -> list[str]:
        """What can be read of it, for a person who would rather copy it."""
        return [value for _name, value in self.fields if " " in value.strip() and not value.startswith("{")]


def mark(person: Person, to: str, back: str) -> str:
    """Says that a form of the page `back`, going to the address `to`, was made for this person."""
    return signing.dumps([person.pk, to, back], salt=_SALT)


def answer(request: VisitorRequest) -> HttpResponse | None:
    """The answer to a form that is refused for want of a session, or of a token that is good still: the page to sign in
    or, where they have signed in meanwhile, what they typed. None: the form takes no part, or they are somebody else.
    """
    if request.headers.get("Sec-Fetch-Dest") == "iframe":
        # A preview stays as it is; the page around it says that its session has ended (editor/look.js).
        return HttpResponse(status=204)
    submission = _posted(request)
    if submission is None:
        return None
    owner, typed = submission
    if request.person is not None:
        return page(request, typed, status=403) if request.person.pk == owner else None
    held = _sealed(owner, typed, timezone.now())
    facts = {"form": SignInForm(), "next": typed.back, "held": held, "ended": True}
    return render(request, "web/sign_in.html", facts, status=403)


def _posted(request: VisitorRequest) -> tuple[int, UnsentForm] | None:
    if request.method != "POST" or request.headers.get("HX-Request"):
        return None
    try:
        owner, to, back = signing.loads(request.POST.get(MARK, ""), salt=_SALT)
    except (signing.BadSignature, BadRequest, ValueError):
        return None
    if to != request.path:
        return None
    kept = {name: values for name, values in request.POST.lists() if name not in _LEFT_OUT | _SECRET}
    return owner, UnsentForm(to, back, [(name, value) for name, values in kept.items() for value in values])


def typed_into(request: DeskRequest) -> UnsentForm:
    """What a form holds that is not taken now, to be sent again as it is: by whoever is signed in, a moment later."""
    path = request.get_full_path()
    back = path if has_page(request) else reverse("home", args=[request.organization.slug])
    typed = {name: values for name, values in request.POST.lists() if name not in {_TOKEN, MARK} | _SECRET}
    return UnsentForm(path, back, [(name, value) for name, values in typed.items() for value in values])


def after_sign_in(request: VisitorRequest, person: Person, held: str) -> HttpResponse | None:
    """The page that offers what was typed; None where there is nothing, or nothing of this person."""
    typed = _opened(person.pk, held, timezone.now()) if held else None
    return page(request, typed) if typed else None


def page(request: VisitorRequest, typed: UnsentForm, status: int = 200) -> HttpResponse:
    return render(request, "web/restore_typed.html", {"typed": typed}, status=status)


def _sealed(owner: int, typed: UnsentForm, now: datetime) -> str:
    """ "" where it is too much to travel."""
    payload = json.dumps([now.timestamp(), typed.to, typed.back, typed.fields], ensure_ascii=False)
    packed = zlib.compress(payload.encode("utf-8", "surrogatepass"))
    blob = _key().seal(packed, _where(owner), os.urandom(12))
    text = base64.urlsafe_b64encode(blob).decode()
    return text if len(text) <= MOST else ""


def _opened(owner: int, held: str, now: datetime) -> UnsentForm | None:
    try:
        packed = seal.KeyRing({1: _key()}).open(base64.urlsafe_b64decode(held.encode()), _where(owner))
    except (seal.SealError, ValueError):
        return None  # Another account's, or nothing of ours.
    at, to, back, fields = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
    if now - datetime.fromtimestamp(at, now.tzinfo) > LONGEST:
        return None
    return UnsentForm(to, back, [(name, value) for name, value in fields])


def _key() -> seal.Key:
    return seal.Key(1, keyring.derive("signed out"))


def _where(owner: int) -> bytes:
    return seal.where("signed out", "typed", _INSTANCE, owner)
