"""What a request asks: whose key it has, of which list, with which query and body."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey, Organization
from samizdat.api.keys import PROGRAM, spend
from samizdat.audience import queries
from samizdat.audience.models import List
from samizdat.compat.mailchimp.problems import MailchimpProblem, forbidden, invalid, key_invalid, not_there

READ, WRITE = "subscribers:read", "subscribers:write"
# Clients make the host out of what follows the last hyphen of a key, so a key of ours may have something there.
KEY = re.compile(r"(smz_[A-Za-z0-9]+)(?:-[A-Za-z0-9]{1,30})?")
MOST_A_PAGE, A_PAGE = 1_000, 10
# More than any body that is documented has.
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class MailchimpCall:
    """url: of our /3.0, with the slash. list_: that the key is bound to."""

    key: ApiKey
    list_: List
    scopes: frozenset[str]
    query: QueryDict
    body: Mapping[str, Any]
    url: str
    now: datetime

    @property
    def organization(self) -> Organization:
        return self.key.organization

    @property
    def reads(self) -> bool:
        """Whether the key may learn of anybody whether they are here."""
        return READ in self.scopes

    @property
    def page(self) -> tuple[int, int]:
        """(offset, count), of which Mailchimp gives 1,000 at most."""
        count = min(_number(self.query.get("count"), A_PAGE), MOST_A_PAGE)
        return min(_number(self.query.get("offset"), 0), 1 << 40), count

    def text(self, name: str) -> str:
        """Of the body, without blanks around it; "" for what is no text."""
        value = self.body.get(name)
        return value.strip() if isinstance(value, str) else ""

    def insist_on_list(self, list_id: str) -> None:
        """Errors: MailchimpProblem 404, for each list that the key isn't bound to."""
        if list_id.lower() != list_hex(self.list_.pk):
            raise not_there()


def list_hex(number: int) -> str:
    """The number of a list as Mailchimp's ids are: 10 hex digits."""
    return f"{number:010x}"


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 16 else otherwise


def call_of(request: HttpRequest) -> MailchimpCall:
    """Errors: MailchimpProblem 400, 401, 403, 413; ApiProblem 429; OrganizationLocked."""
    token = token_of(request.headers.get("Authorization", ""))
    now = timezone.now()
    try:
        key = api_keys.authenticate(token, now)
    except api_keys.ApiKeyInvalid:
        raise key_invalid() from None
    request.META[PROGRAM] = key.organization_id
    spend(key)
    if len(key.lists) != 1:
        raise forbidden(_("Mailchimp’s API takes a key that is bound to one list. Create such a key."))
    return MailchimpCall(
        key=key,
        list_=queries.list_by_id(key.organization, key.lists[0]),
        scopes=api_keys.scopes_of(key),
        query=request.GET,
        body=_body(request),
        url=request.build_absolute_uri("/3.0/"),
        now=now,
    )


def token_of(header: str) -> str:
    """The key in an Authorization header: Basic with any user name, Bearer, or apikey. Errors: MailchimpProblem 401."""
    scheme, _space, rest = header.strip().partition(" ")
    match scheme.lower():
        case "basic":
            token = _of_basic(rest.strip())
        case "bearer" | "apikey":
            token = rest.strip()
        case _:
            sentence = "Your request did not include an API key."
            raise MailchimpProblem(401, "API Key Missing", sentence)
    fits = KEY.fullmatch(token)
    if fits is None:
        raise key_invalid()
    return fits[1]


def _of_basic(encoded: str) -> str:
    try:
        user, _colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise key_invalid() from None
    return password or user


def _body(request: HttpRequest) -> Mapping[str, Any]:
    """JSON whatever the Content-Type says; nothing is an empty one."""
    try:
        text = request.body
    except RequestDataTooBig:
        sentence = _("The request is too large. Send it in several parts.")
        raise MailchimpProblem(413, "Request Entity Too Large", sentence) from None
    return body_of(text) if text.strip() else {}


def body_of(text: bytes | str) -> Mapping[str, Any]:
    """Errors: MailchimpProblem 400, 422."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        sentence = "We encountered an unspecified JSON parsing error."
        raise MailchimpProblem(400, "JSON Parse Error", sentence) from None
    if not isinstance(body, dict):
        raise invalid(
            "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
        )
    if _is_deeper(body, DEEPEST):
        raise MailchimpProblem(422, "Resource Nesting Too Deep", _("This request is nested too deeply."))
    return body


def _is_deeper(value: object, levels: int) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deeper(each, levels - 1) for each in held)
