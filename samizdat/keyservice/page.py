"""The page of people who keep the key service: how it stands, *Stop*, and *I’m here*.

It is behind TLS with a certificate in the person's browser, at the port that servers ask: no second port, no passwords,
no session, no script. It stops and confirms; starting again is a command on the host, so that a stolen phone starts
nothing.
"""

import gettext
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from samizdat.core.crypto.key_service import ServiceState, Why
from samizdat.keyservice.service import KeyService
from samizdat.keyservice.store import StoreError, confirm, stop, utc_now

_LOCALE = Path(__file__).parent.parent / "locale"
_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; img-src 'self'"
)
_STYLE = (Path(__file__).parent / "page.css").read_bytes()

type Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class PageReply:
    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


class StatusPage:
    def __init__(self, service: KeyService) -> None:
        self._service = service
        self._secret = os.urandom(32)
        self._languages: dict[str, Translate] = {
            "ru": gettext.translation("django", _LOCALE, ["ru"], fallback=True).gettext,
            "en": lambda text: text,
        }

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes, person: str) -> PageReply:
        """person: whose certificate it was."""
        if method == "GET" and path == "/style.css":
            return PageReply(200, _STYLE, [("content-type", "text/css")])
        if method == "GET" and path == "/":
            return self._shown(headers, person)
        if method == "POST" and path in ("/stop", "/confirm"):
            return self._pressed(path, headers, body, person)
        return PageReply(404, b"")

    def _pressed(self, path: str, headers: dict[str, str], body: bytes, person: str) -> PageReply:
        """A page from elsewhere has the certificate sent along, and knows no token."""
        token = _field(body, "token")
        site = headers.get("sec-fetch-site", "same-origin")
        if not hmac.compare_digest(token.encode(), self._token(person).encode()) or site != "same-origin":
            return PageReply(403, b"")
        if path == "/stop":
            stop(self._service.store, utc_now(), f"{person} on the page")
            self._service.state()
        else:
            confirm(self._service.store, utc_now(), f"{person} on the page")
        return PageReply(303, b"", [("location", "/")])

    def _token(self, person: str) -> str:
        return hmac.digest(self._secret, person.encode(), hashlib.sha256).hex()

    def _shown(self, headers: dict[str, str], person: str) -> PageReply:
        language = _language(headers.get("accept-language", ""))
        _ = self._languages[language]
        try:
            inner = self._inner(self._service.state(), person, _)
        except StoreError as error:
            inner = f'<p class="state off">{escape(str(error))}</p>'
        title = escape(_("Key service"))
        text = (
            f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="stylesheet" href="/style.css"></head>'
            f"<body><main><h1>{title}</h1>{inner}</main></body></html>\n"
        )
        safe = [("content-security-policy", _POLICY), ("referrer-policy", "no-referrer")]
        return PageReply(200, text.encode(), [*safe, ("x-content-type-options", "nosniff")])

    def _inner(self, state: ServiceState, person: str, _: Translate) -> str:
        why = state.why_not(utc_now()) or ("" if self._service.has_key else "no_key")
        token = self._token(person)
        parts = [f'<p class="state {"off" if why else "on"}">{escape(_standing(why, _))}</p>']
        if why:
            how = _("To start it again, run on its server: %(command)s")
            parts.append(f"<p>{escape(how % {'command': 'samizdat keyservice start'})}</p>")
        else:
            parts.append(_form("stop", token, _("Stop"), _("Every server locks its organizations within a minute.")))
        if not why and (until := state.confirm_until()):
            sentence = _("If nobody confirms by %(time)s, the key service stops by itself.") % {"time": _moment(until)}
            parts.append(_form("confirm", token, _("I’m here"), sentence))
        return "".join([*parts, self._servers(state, _)])

    def _servers(self, state: ServiceState, _: Translate) -> str:
        rows = []
        for server in state.servers:
            asked = self._service.asked.get(server.name)
            last = (
                _("last asked %(time)s from %(address)s") % {"time": _moment(asked.at), "address": asked.address}
                if asked
                else _("hasn’t asked since the key service was started")
            )
            rows.append(f"<li><b>{escape(server.name)}</b> {escape(last)}</li>")
        listed = f"<ul>{''.join(rows)}</ul>" if rows else f"<p>{escape(_('No server is known yet.'))}</p>"
        return f"<h2>{escape(_('Servers'))}</h2>{listed}"


def _standing(why: Why, _: Translate) -> str:
    sentences = {
        "": _("The key is given to the servers below."),
        "stopped": _("Stopped. No server gets the key."),
        "not_confirmed": _("Stopped because nobody confirmed. No server gets the key."),
        "no_key": _("The key isn’t in memory. No server gets the key."),
    }
    return sentences.get(why, "")


def _form(path: str, token: str, button: str, hint: str) -> str:
    return (
        f'<form method="post" action="/{path}"><input type="hidden" name="token" value="{token}">'
        f'<button class="{path}">{escape(button)}</button><p>{escape(hint)}</p></form>'
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _field(body: bytes, name: str) -> str:
    try:
        return parse_qs(body.decode("ascii", "replace"), max_num_fields=5).get(name, [""])[0]
    except ValueError:
        return ""


def _language(accepted: str) -> str:
    named = [part.strip()[:2].lower() for part in accepted.split(",")]
    return next((each for each in named if each in ("en", "ru")), "en")
