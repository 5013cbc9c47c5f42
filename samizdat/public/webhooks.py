"""Where sending providers deliver what became of messages. Nothing is looked into here: each delivery is sealed, with
the headers that sign it, and the worker, which has the secrets, reads it (worker/inbox/webhooks.py).

A delivery to an address that is not ours is answered alike, after the same work.
"""

import base64
from contextlib import suppress

from django.http import HttpRequest, HttpResponse

from samizdat.core.crypto import tokens as link
from samizdat.core.webhook_delivery import HEADERS, KIND, LONGEST_HEADER
from samizdat.public import envelopes, form_tokens, tokens
from samizdat.public.responses import host_of, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site
from samizdat.vault.errors import VaultError

# (a second in the long run, at once) of one address: a campaign to a million has some hundred bounces a second at first
# where a provider tells each alone, and whoever is put off tries again.
ONE = (100.0, 5000.0)
# Deliveries of an organization that may wait, short ones and long ones: 128 and 150 MB at the most, whoever sends them.
SHORT = 24 * 1024
SHORT_SLOTS, LONG_SLOTS = range(4_000), range(4_000, 4_100)
# Seconds after which a provider may try again.
LATER = "60"
# Of an organization for whose delivery no slot was free: how often it is tried anew whether one is. To seal a delivery
# and to look for a slot costs more than all the rest, and a flood fills the slots within seconds.
NO_ROOM = (1.0, 1.0)

purses = form_tokens.RateBudgets()


@takes("GET", "HEAD", "POST")
def deliver(request: HttpRequest, token: str) -> HttpResponse:
    """Some providers look with GET or HEAD whether an address answers before they use it."""
    if request.method != "POST" or _kept(request, token):
        return HttpResponse(content_type="text/plain")
    return HttpResponse(status=503, content_type="text/plain", headers={"Retry-After": LATER})


def _kept(request: HttpRequest, token: str) -> bool:
    """False: no room for it now."""
    if not purses.take((f"in {token[: link.TOKEN_CHARACTERS]}", *ONE)):
        return False
    body = base64.b64encode(request.read()).decode()
    uid, is_short = _owner(token), len(body) < SHORT
    had_no_room = f"no room {uid.hex()} {is_short}", *NO_ROOM
    if purses.is_empty(*had_no_room):
        return False
    place = _place(request, uid)
    if place is None:
        envelopes.seal_nothing(body=body)
        return True
    try:
        has_room = envelopes.drop_into_slot(
            place,
            KIND,
            SHORT_SLOTS if is_short else LONG_SLOTS,
            token=token,
            host=str(request.META.get("HTTP_HOST", ""))[:LONGEST_HEADER],
            query=request.META["QUERY_STRING"][:LONGEST_HEADER],
            headers={name: value[:LONGEST_HEADER] for name in HEADERS if (value := request.headers.get(name))},
            body=body,
        )
    except VaultError:  # The supervisor takes no more.
        has_room = False
    if not has_room:
        purses.take(had_no_room)
    return has_room


def _owner(token: str) -> bytes:
    """b"" for an address that isn't ours."""
    with suppress(link.BadToken):
        return tokens.reader.read(token, KIND).uid
    return b""


def _place(request: HttpRequest, uid: bytes) -> Site | None:
    place = queries.place(uid) if uid else None
    return place if place is not None and queries.reachable(place, host_of(request)) else None
