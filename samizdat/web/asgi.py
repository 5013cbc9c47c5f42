"""The desk for an ASGI server: `uvicorn samizdat.web.asgi:application`.

Django's own ASGI handler puts every request body into a temporary file, and a new thread under every request. A list
of readers must not lie on the disk in plain, and a thread a request opens a database connection a request. So the
desk runs Django's WSGI handler in a few lasting threads. Files of the package are served beside them; what a browser
sends is here whole (spool.py) before a thread is taken, and no thread waits for one that reads.
The address that a request came from is never handed over (threat model, T3): no code behind this file can log it.
"""

import asyncio
import contextlib
import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

import django
from django.conf import settings
from django.db import close_old_connections, transaction

from samizdat import asgi
from samizdat.asgi import Receive, Send
from samizdat.options import data_folder
from samizdat.web.spool import IN_MEMORY, Spool, SpoolFull, UploadAllowance
from samizdat.web.static_files import StaticFiles

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")

# Enough for pages that take 20 ms and a report watched by a dozen people; each thread holds two connections. Beyond
# these each organization at work has a thread of its own: whatever others ask for, its first request waits for nobody.
THREADS, OWN = 6, 26
# A team has some dozens, with six for each browser; the rest is for whoever holds some open.
CONNECTIONS = 500
UVICORN = asgi.serving(CONNECTIONS)
# Over https no cookie has a name without this in front: browsers take such a one from this host alone, by https and for
# all its pages, so neither another name of the same domain nor a page that was tampered with on its way sets one.
# A desk without https (on this machine, the demo) cannot have it, since browsers refuse it there.
OF_HOST = "__Host-"
MB = 1024 * 1024
# A form takes 4 MB (settings): a stranger may send what the page to sign in carries, and no more of it is kept than it
# needs to be refused by its size. An upload takes 500 MB (web/imports/views.py), and is refused by its size as well.
# One upload alone finds room so. Browsers that nobody is signed in with get a small part each, since whoever has an
# account may make themselves many of these; strangers count as one.
STRANGERS, PEOPLE = (5 * MB, 64 * MB, 0.75, 0.125), (502 * MB, 1024 * MB, 0.75, 0.75)
# What nobody keeps is read on, so that a browser shows the answer and no broken line; of a stranger so much of it.
MOST_PAST = 32 * MB


def environ(scope: asgi.Scope, body: IO[bytes] | None) -> WSGIEnvironment:
    """What the request says of itself; nothing of where it came from."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}{'; ' if key == 'COOKIE' else ','}{text}" if key in headers else text
    for header in [name for name in headers if name.startswith(("X_FORWARDED", "FORWARDED", "X_REAL"))]:
        del headers[header]
    if asgi.scheme(scope) == "https" and "COOKIE" in headers:
        headers["COOKIE"] = _of_host(headers["COOKIE"])
    server = scope.get("server") or ("localhost", 80)
    http_headers = {
        f"HTTP_{key}": text for key, text in headers.items() if key not in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    known = {
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
    }
    if "CONTENT_LENGTH" in headers:
        known["CONTENT_LENGTH"] = headers["CONTENT_LENGTH"]
    return asgi.environ(scope, body, http_headers | known)


def _of_host(cookies: str) -> str:
    """Those that this host set by https, by the names that Django knows; no others."""
    pairs = [pair.strip() for pair in cookies.split(";")]
    return "; ".join(pair.removeprefix(OF_HOST) for pair in pairs if pair.startswith(OF_HOST))


class Workplaces(NamedTuple):
    """Of somebody who is signed in: their number, and those of the organizations that they work for, by slug."""

    person: int
    organizations: dict[str, int]

    def asked_at(self, path: str) -> int:
        """For which of them a request counts: its own for a page of an organization; for all others the first, so that
        all sessions of a person count as one; 0 where there is none."""
        slug = path.split("/")[2] if path.startswith("/o/") else ""
        return self.organizations.get(slug) or min(self.organizations.values(), default=0)


def works_for(asked: WSGIEnvironment) -> Workplaces | None:
    """None for a stranger."""
    from django.contrib.auth import get_user
    from django.contrib.sessions.middleware import SessionMiddleware
    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpResponse

    from samizdat.accounts import memberships

    request = WSGIRequest(asked | {"wsgi.input": io.BytesIO()})
    try:
        SessionMiddleware(lambda _request: HttpResponse()).process_request(request)
        person = get_user(request)
        if not person.is_authenticated:
            return None
        rows = memberships.valid(person=person, locked=None)
        return Workplaces(person.pk, {row.organization.slug: row.organization_id for row in rows})
    finally:
        close_old_connections()


def has_session(asked: WSGIEnvironment) -> bool:
    return bool(_cookies(asked).get(settings.SESSION_COOKIE_NAME))


def known_device(asked: WSGIEnvironment) -> str:
    """The cookie of a browser in which somebody has signed in, ever; else "". By its mark alone, since to look anything
    up takes a thread. So a restart of the desk, which forgets who was seen, puts nobody among strangers."""
    from samizdat.accounts import devices

    cookie = _cookies(asked).get(devices.COOKIE, "")
    return cookie if cookie and devices.is_ours(cookie, datetime.now(UTC)) else ""


def _cookies(asked: WSGIEnvironment) -> dict[str, str]:
    from django.http import parse_cookie

    return parse_cookie(asked.get("HTTP_COOKIE", ""))


# What the middleware leaves in the environment of a request of somebody who is signed in: true.
PERSON = "samizdat.person"


class SignedInSessions:
    """Sessions of people who were signed in when they last asked, and where they work. In memory alone, by a hash whose
    key dies with the process: to look a session up takes a thread, which is what strangers may be holding. What was
    looked up counts for a minute, and until somebody gets or loses a role: else who joins later counts for no
    organization as long as their session lives, and is its second share."""

    MOST, SECONDS = 5_000, 60.0

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._marks: dict[bytes, tuple[Workplaces, float]] = {}  # And when that was looked up.
        self._roles_changed = 0.0

    def whose(self, asked: WSGIEnvironment) -> Workplaces | None:
        """As works_for when it was last looked up; None also for whoever was not yet."""
        kept = self._marks.get(self._mark(asked))
        return None if kept is None else kept[0]

    def is_new(self, asked: WSGIEnvironment) -> bool:
        """Whether that still counts."""
        kept = self._marks.get(self._mark(asked))
        return kept is not None and kept[1] > max(time.monotonic() - self.SECONDS, self._roles_changed)

    def change_roles(self) -> None:
        """Called by any thread."""
        self._roles_changed = time.monotonic()

    def keep(self, asked: WSGIEnvironment, workplaces: Workplaces | None, at: float) -> None:
        """`at`: when the look-up began."""
        mark = self._mark(asked)
        self._marks.pop(mark, None)
        if workplaces is not None:
            self._marks[mark] = workplaces, at
        if len(self._marks) > self.MOST:
            del self._marks[next(iter(self._marks))]

    def note(self, asked: WSGIEnvironment) -> None:
        """Once it was answered: a session that has ended is a stranger's."""
        if not asked.get(PERSON):
            self._marks.pop(self._mark(asked), None)

    def _mark(self, asked: WSGIEnvironment) -> bytes:
        session = _cookies(asked).get(settings.SESSION_COOKIE_NAME, "")
        return hashlib.blake2b(session.encode(), key=self._key, digest_size=16).digest()


# What the view of a letter that a link shows leaves there, and what the API leaves there of a key: the number of its
# organization.
LETTER, PROGRAM = "samizdat.letter", "samizdat.program"


class TokenOwners:
    """Whose letters links show, and whose programs have a key: in memory alone and by keyed hashes, as
    SignedInSessions. Those of one organization take turns among themselves: whoever has many links or keys, of their
    own organization or made up, holds no more than one party's part."""

    MOST = 5_000

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._organizations: dict[bytes, int] = {}

    def place(self, asked: WSGIEnvironment) -> asgi.Place | None:
        """Of those that nobody has opened yet all are of one party. None: it has neither link nor key."""
        kind, token = self._token(asked)
        return ((kind, self._organizations.get(self._mark(token))), token) if kind else None

    def note(self, asked: WSGIEnvironment) -> None:
        """Once it was answered: a link that leads nowhere any more is one of those that nobody knows."""
        kind, token = self._token(asked)
        if kind:
            mark = self._mark(token)
            self._organizations.pop(mark, None)
            if organization := asked.get(kind):
                self._organizations[mark] = organization
            if len(self._organizations) > self.MOST:
                del self._organizations[next(iter(self._organizations))]

    def _token(self, asked: WSGIEnvironment) -> tuple[str, str]:
        path = asked["PATH_INFO"]
        if path.startswith("/shared/"):
            return LETTER, path.split("/")[2]
        return (PROGRAM, asked.get("HTTP_AUTHORIZATION", "")) if path.startswith(("/api/", "/3.0/")) else ("", "")

    def _mark(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=16).digest()


def _place(asked: WSGIEnvironment, workplaces: Workplaces | None, links: TokenOwners) -> asgi.Place:
    """Letters that a link shows are made by helpers of their organization, so nobody waits behind them to sign in."""
    if workplaces is not None:
        return workplaces.asked_at(asked["PATH_INFO"]), workplaces.person
    return links.place(asked) or _place_outside(asked, "strangers")


def _place_outside(asked: WSGIEnvironment, others: str) -> asgi.Place:
    device = known_device(asked)
    return ("known", device) if device else (others, None)


class DeskApplication:
    """An ASGI application around a WSGI one. knows: as works_for."""

    def __init__(
        self,
        wsgi: asgi.Wsgi,
        threads: int = THREADS,
        *,
        files: StaticFiles | None = None,
        knows: Callable[[WSGIEnvironment], Workplaces | None] = works_for,
    ) -> None:
        self._wsgi, self._knows = wsgi, knows
        self._files = files
        self._folder = data_folder()
        self._strangers, self._people = UploadAllowance(*STRANGERS), UploadAllowance(*PEOPLE)
        self._threads = asgi.Threads(threads, "desk", OWN)
        self._seen = SignedInSessions()
        self._links = TokenOwners()

    @property
    def moves(self) -> bool:
        return self._threads.moves

    async def __call__(self, scope: asgi.Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            asked = environ(scope, None)
            if not (self._files and await self._files.answer(asked, send)):
                with contextlib.suppress(asgi.ClientGone):
                    await self._answer(asked, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._threads.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, asked: WSGIEnvironment, receive: Receive, send: Send) -> None:
        with Spool(self._folder) as body:
            asked["wsgi.input"] = body
            try:
                if not await self._hear(asked, receive, body):
                    await asgi.say(send, 413, asgi.TOO_LONG)
                    return
                asked["CONTENT_LENGTH"] = str(body.size)
                place = _place(asked, await self._whose(asked), self._links)
                await self._threads.answer(_one_request(self._wsgi), asked, send, receive, place)
                self._seen.note(asked)
                self._links.note(asked)
            except asgi.TooSlow:
                await asgi.say(send, 408, asgi.TOO_SLOW)
            except (asgi.AllThreadsBusy, SpoolFull):
                await asgi.say(send, 503, asgi.BUSY)

    def heed_roles(self) -> None:
        """From now on roles that are given or taken in this process count at once."""
        from django.db.models.signals import post_delete, post_save

        from samizdat.accounts.models import Membership

        for signal in (post_save, post_delete):
            signal.connect(self._change_roles, sender=Membership)

    def _change_roles(self, **_: object) -> None:
        transaction.on_commit(self._seen.change_roles)

    async def _whose(self, asked: WSGIEnvironment) -> Workplaces | None:
        """Errors: AllThreadsBusy."""
        kept = self._seen.whose(asked)
        if self._seen.is_new(asked) or not has_session(asked):
            return kept
        # Whoever was known a minute ago waits among their own people; all others among those who are looked up, which
        # takes a moment, and not behind pages of strangers.
        place = _place_outside(asked, "sessions") if kept is None else _place(asked, kept, self._links)
        async with self._threads.queue.turn(*place):
            began = time.monotonic()
            workplaces = await self._threads.run(self._knows, asked)
        self._seen.keep(asked, workplaces, began)
        return workplaces

    async def _allowance(self, asked: WSGIEnvironment) -> tuple[UploadAllowance, asgi.Place]:
        """How much it may send, and as whom. Errors: AllThreadsBusy."""
        workplaces = await self._whose(asked)
        if workplaces is None:
            return self._strangers, _place_outside(asked, "strangers")
        return self._people, _place(asked, workplaces, self._links)

    async def _hear(self, asked: WSGIEnvironment, receive: Receive, body: Spool) -> bool:
        """Keeps the body; False when a stranger sends without end. Errors: TooSlow, ClientGone, AllThreadsBusy,
        SpoolFull."""
        heard = 0
        async for piece in asgi.pieces(receive):
            heard += len(piece)
            if body.allowance is None and heard > IN_MEMORY:
                body.allowance, body.place = await self._allowance(asked)
            if body.allowance is None:
                body.write(piece)
                continue
            await asyncio.to_thread(body.write, piece)
            if body.allowance is self._strangers and heard > self._strangers.most + MOST_PAST:
                return False
        body.rewind()
        return True


def _one_request(wsgi: asgi.Wsgi) -> asgi.Wsgi:
    """All helpers of a request together have the time that one may take."""
    from samizdat import limited_process

    def answered(asked: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        limited_process.begin_request()
        return _with_safe_cookies(wsgi)(asked, start)

    return answered


def _with_safe_cookies(wsgi: asgi.Wsgi) -> asgi.Wsgi:
    def answered(asked: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        secure = asked["wsgi.url_scheme"] == "https"

        def begin(status: str, headers: list[tuple[str, str]], error: "OptExcInfo | None" = None) -> None:
            start(status, [(name, _cookie(name, value, secure)) for name, value in headers], error)

        return wsgi(asked, begin)

    return answered


def _cookie(name: str, value: str, secure: bool) -> str:
    """A cookie set over https is never sent over http again, and is of this host alone."""
    return f"{OF_HOST}{value}; Secure" if secure and name.lower() == "set-cookie" else value


def make_application() -> DeskApplication:
    """Opens the vault, so that SECRET_KEY is there before anything signs, and starts Django. Errors: VaultError."""
    # The static files come from where they are written; nothing has to be collected first.
    warnings.filterwarnings("ignore", "No directory at")
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from samizdat import limited_process
    from samizdat.vault import keyring
    from samizdat.web.settings import first_run

    keyring.open_for_django()
    limited_process.begin()
    first_run.announce()
    application = DeskApplication(WSGIHandler(), files=StaticFiles())
    application.heed_roles()
    return application


def __getattr__(name: str) -> DeskApplication:
    """`application` is made when it is asked for, so that importing this module opens no key."""
    if name != "application":
        raise AttributeError(name)
    globals()[name] = application = make_application()
    return application
