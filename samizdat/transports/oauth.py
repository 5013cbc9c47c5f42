"""OAuth 2.0 sign-in at mail servers that take no passwords: access tokens (RFC 6749), and how they are shown (XOAUTH2).

An application of one's own at Microsoft (client credentials: https://learn.microsoft.com/exchange/client-developer/
legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth) or at Google (a refresh token:
https://developers.google.com/workspace/gmail/imap/xoauth2-protocol). The secret is "SECRET" or "SECRET REFRESH_TOKEN".

Some give another refresh token with each answer, in place of the earlier one (RFC 6749, 6): at Microsoft each lasts for
90 days (https://learn.microsoft.com/entra/identity-platform/refresh-tokens). The newest is used here at once, and
whoever holds the keys of a route or mailbox asks `renewed_secret` for what is to be kept.
"""

import asyncio
import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard
from urllib.parse import urlencode, urlsplit

from samizdat.core.mail.outcome import RouteVerdict, judge, scrub
from samizdat.core.private_networks import Network
from samizdat.transports.base import BadRoute, RouteDown, RouteField, reply_text
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import Endpoint, HttpPool, HttpReply, no_finishing, read_endpoint, seconds_asked
from samizdat.transports.http_api import document

GOOGLE = "https://oauth2.googleapis.com/token"
MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
# Of an application without a user, for SMTP, IMAP and POP3 alike.
MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
# The sign-in of hosts whose names end so.
GOOGLES, MICROSOFTS = (".gmail.com", ".google.com"), (".office365.com", ".outlook.com", ".office.com")

ASKS = (
    RouteField("client", "The client ID of your application at Google or Microsoft.", label="Client ID", required=True),
    RouteField("tenant", "Microsoft only: the directory (tenant) ID.", label="Tenant ID"),
    RouteField("token_url", "Where access tokens come from, https://, where it isn’t Google or Microsoft"),
)
OPTIONS = tuple(ask.name for ask in ASKS)

# A token is no longer used so many seconds before it expires; one without a time expires after so many.
EARLY, UNSAID = 120.0, 300.0
# Seconds for an answer.
PATIENCE = 30.0
MOST_KEPT = 1000
LONGEST_TOKEN = 10_000


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """`refresh_token` empty: the application signs in for itself. `user`: whose mailbox it is."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    user: str = ""

    @property
    def account(self) -> "OAuthClient":
        """The same whichever of its refresh tokens it has."""
        return replace(self, refresh_token="any" if self.refresh_token else "")

    @property
    def form(self) -> dict[str, str]:
        """RFC 6749, 4.4.2 and 6."""
        grant = {"grant_type": "client_credentials"}
        if self.refresh_token:
            grant = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        scope = {"scope": self.scope} if self.scope else {}
        return {**grant, "client_id": self.client_id, "client_secret": self.client_secret, **scope}


# Until when (by time.monotonic) a token of an account holds.
_kept: dict[OAuthClient, tuple[str, float]] = {}
# Refresh tokens that came in place of that of a client.
_newer: dict[OAuthClient, str] = {}
_renewals = 0


def read_client(host: str, options: Mapping[str, str], secret: str, user: str = "") -> OAuthClient:
    """host: the mail server's, which says whose sign-in it is. Errors: BadRoute."""
    client_secret, _, refresh_token = secret.strip().partition(" ")
    client, tenant, url = (options.get(name, "").strip() for name in ("client", "tenant", "token_url"))
    if not client:
        raise BadRoute("no_client")
    if not client_secret:
        raise BadRoute("no_client_secret")
    scope, dotted = "", f".{host}"
    if not url and dotted.endswith(GOOGLES):
        url = GOOGLE
        if not refresh_token:
            raise BadRoute("no_refresh_token")
    elif not url and dotted.endswith(MICROSOFTS):
        # What stands in a path and is no path.
        if not tenant.replace("-", "").replace(".", "").isalnum() or not tenant.isascii():
            raise BadRoute("no_tenant")
        url, scope = MICROSOFT.format(tenant=tenant), "" if refresh_token else MICROSOFT_SCOPE
    _endpoint(url)
    return OAuthClient(url, client, client_secret, refresh_token.strip(), scope, user)


async def access_token(client: OAuthClient, inside: tuple[Network, ...] | None, patience: float = PATIENCE) -> str:
    """One that holds for a while longer. inside: see RouteSettings. Errors: RouteDown."""
    token, until = _kept.get(client.account, ("", 0.0))
    if time.monotonic() < until:
        return token
    client = _newest(client)
    place, path = _endpoint(client.token_url)
    pool = HttpPool(place, patience, patience, inside)
    body = urlencode(client.form).encode()
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await pool.post(path, headers, body, b"", no_finishing)
    except ConnectionLost as lost:
        raise RouteDown(lost.verdict) from None
    finally:
        pool.close()
    token, seconds, refresh_token = _read(client, place, answer)
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[client.account] = (token, time.monotonic() + seconds)
    if refresh_token and client.refresh_token:
        _keep_newer(client, refresh_token)
    return token


def _keep_newer(client: OAuthClient, refresh_token: str) -> None:
    global _renewals
    if refresh_token == client.refresh_token:
        return
    if len(_newer) >= MOST_KEPT:
        _newer.clear()
    _renewals += 1
    # One that comes back leads nowhere else, so that no chain of them has a circle.
    _newer.pop(replace(client, refresh_token=refresh_token), None)
    _newer[client] = refresh_token


def _newest(client: OAuthClient) -> OAuthClient:
    while client in _newer:
        client = replace(client, refresh_token=_newer[client])
    return client


def renewals() -> int:
    """How many there were in this process: while it stays the same, `renewed_secret` has nothing new to say."""
    return _renewals


def renewed_secret(host: str, options: Mapping[str, str], secret: str, user: str) -> str:
    """What takes the place of the secret that a route or mailbox has; "" where it has the newest."""
    try:
        client = read_client(host, options, secret, user)
    except BadRoute:
        return ""
    newest = _newest(client)
    return "" if newest == client else f"{client.client_secret} {newest.refresh_token}"


def token_for(host: str, options: Mapping[str, str], secret: str, user: str, inside: tuple[Network, ...] | None) -> str:
    """The same for a host, outside of an event loop. options, secret: as in the URL of a route. Errors: BadRoute,
    RouteDown."""
    return asyncio.run(access_token(read_client(host, options, secret, user), inside))


def forget_token(client: OAuthClient) -> None:
    """The mail server refuses it."""
    _kept.pop(client.account, None)


def xoauth2(user: str, token: str) -> str:
    """What is sent as the first answer of AUTH XOAUTH2, in base64."""
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


def _endpoint(url: str) -> tuple[Endpoint, str]:
    """Where to ask, and the path. Errors: BadRoute."""
    try:
        parts = urlsplit(url)
        place = read_endpoint(f"{parts.scheme}://{parts.netloc}")
    except ValueError:  # a BadRoute is one
        raise BadRoute("bad_token_url") from None
    if parts.query or parts.fragment or not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
        raise BadRoute("bad_token_url")
    return place, parts.path or "/"


def _read(client: OAuthClient, place: Endpoint, answer: HttpReply) -> tuple[str, float, str]:
    """The token, for how many seconds it is used, and the refresh token that came along. Errors: RouteDown."""
    payload: Any = document(answer)
    fields = payload if isinstance(payload, dict) else {}
    token, lasts = fields.get("access_token"), fields.get("expires_in")
    seconds = float(lasts) if isinstance(lasts, int) and not isinstance(lasts, bool) and lasts > 0 else UNSAID
    if answer.status == 200 and _is_token(token):
        refresh_token = fields.get("refresh_token")
        return token, max(min(seconds, 86_400.0) - EARLY, 1.0), refresh_token if _is_token(refresh_token) else ""
    raise RouteDown(_verdict(client, place, answer, fields))


def _is_token(value: object) -> TypeGuard[str]:
    """RFC 6749, A.12 and A.17; a space would end it in our secret."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
        return False
    return value.isascii() and value.isprintable() and " " not in value


def _verdict(client: OAuthClient, place: Endpoint, answer: HttpReply, fields: Mapping[str, object]) -> RouteVerdict:
    error, description = (str(fields.get(name) or "")[:200] for name in ("error", "error_description"))
    words = " ".join(f"{error}: {description}".split()).strip(": ")
    for secret in (client.refresh_token, client.client_secret):
        words = words.replace(secret, "…") if secret else words
    values = {"host": place.name, "answer": reply_text(answer.status, scrub(words, ""))}
    if error == "invalid_grant":
        return RouteVerdict("dead", "sign_in_over", values, 600, early=True)
    if error in ("invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"):
        return RouteVerdict("dead", "oauth_client", values, 600, early=True)
    if answer.status == 200 or 300 <= answer.status < 400:
        return RouteVerdict("throttled", "bad_answer", values, 300)
    verdict = judge("http", answer.status, words or answer.text)[1]
    if verdict.state == "ok":
        verdict = RouteVerdict("dead", "oauth_client", {}, 600)
    wait = seconds_asked(answer, words) if verdict.state == "throttled" else None
    return RouteVerdict(verdict.state, verdict.reason, values, wait or verdict.wait, early=True)
