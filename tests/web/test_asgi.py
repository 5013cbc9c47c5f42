"""The desk behind an ASGI server: nothing of where a request came from is handed on, and bodies are not kept."""

import asyncio
import io
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from samizdat.accounts.actions import found_organization, give_role
from samizdat.accounts.models import Membership, Organization
from samizdat.web.asgi import (
    LETTER,
    PERSON,
    PROGRAM,
    UVICORN,
    DeskApplication,
    SignedInSessions,
    TokenOwners,
    Workplaces,
    _with_safe_cookies,
    environ,
    works_for,
)
from samizdat.web.static_files import PIECES, StaticFiles
from samizdat.web.uploads import MemoryUploadHandler
from tests.conftest import NOW, PASSWORD, TODAY
from tests.web.conftest import make_person, signed_in

CHUNKS = [b"first,", b"second,", b"third"]


def _scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/o/lantern/имя",
        "query_string": b"a=1",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("203.0.113.9", 5555),
        "server": ("127.0.0.1", 8000),
        "headers": [(b"host", b"desk.example"), (b"content-length", b"18"), (b"x-forwarded-for", b"203.0.113.9")],
    } | more


def _ask(
    application: Callable[..., Iterable[bytes]], scope: dict[str, Any], chunks: list[bytes]
) -> list[dict[str, Any]]:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(DeskApplication(application, threads=1)(scope, receive, send))
    return sent


def test_the_address_of_a_browser_is_nowhere_in_what_django_gets() -> None:
    seen = environ(_scope(), None)  # type: ignore[arg-type]
    assert "203.0.113.9" not in repr({key: value for key, value in seen.items() if not key.startswith("wsgi.")})
    assert seen["REMOTE_ADDR"] == ""
    assert not [key for key in seen if "FORWARDED" in key or "REAL_IP" in key]


def test_https_is_believed_from_the_proxy_on_this_machine_alone() -> None:
    headers = [(b"host", b"desk.example"), (b"x-forwarded-proto", b"https")]
    near = environ(_scope(headers=headers, client=("127.0.0.1", 1)), None)  # type: ignore[arg-type]
    far = environ(_scope(headers=headers), None)  # type: ignore[arg-type]
    assert near["wsgi.url_scheme"] == "https"
    assert far["wsgi.url_scheme"] == "http"


def test_the_rest_of_a_file_that_is_refused_is_read_past_and_the_form_stays() -> None:
    """By lines, as Django does it; else the form had no token any more, and the page said that it was out of date."""
    field = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nmine\r\n'
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    chunks = [field + head, *[b"a" * 60_000] * 9, b"\r\n--x--\r\n"]
    kind, size = (b"content-type", b"multipart/form-data; boundary=x"), b"%d" % sum(map(len, chunks))
    seen: list[Any] = []

    def wsgi(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        request = WSGIRequest(environ)
        request.upload_handlers = [MemoryUploadHandler(request, limit=70_000)]
        seen.append((request.POST.dict(), request.upload_handlers[0].too_large))
        start("200 OK", [])
        return [b""]

    _ask(wsgi, _scope(headers=[kind, (b"content-length", size)]), chunks)
    assert seen == [({"token": "mine"}, True)]


def test_a_body_that_came_in_pieces_is_read_as_one() -> None:
    read: list[bytes] = []

    def application(asked: dict[str, Any], start: Any) -> Iterable[bytes]:
        read.append(asked["wsgi.input"].read(4))
        read.append(asked["wsgi.input"].read(100))
        read.append(asked["wsgi.input"].read(1))
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"answer"]

    sent = _ask(application, _scope(), list(CHUNKS))
    assert read == [b"firs", b"t,second,third", b""]
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b"answer"


def test_a_browser_that_goes_away_in_the_middle_has_nobody_work_for_it() -> None:
    def application(_asked: dict[str, Any], _start: Any) -> Iterable[bytes]:
        raise AssertionError("A thread was taken.")

    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError("Nobody is there to be answered.")

    asyncio.run(DeskApplication(application, threads=1)(_scope(), receive, send))


class Browser:
    """Keeps cookies by the names under which they came."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.jar: dict[str, str] = {}
        self.set: dict[str, list[str]] = {}

    def __call__(self, path: str, **fields: str) -> tuple[str, dict[str, str]]:
        if fields:
            fields["csrfmiddlewaretoken"] = self.jar[self.name("csrftoken")]
        body = urlencode(fields).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        headers = [
            (b"host", b"localhost"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
            (b"origin", f"{self.scheme}://localhost".encode()),
            (b"x-forwarded-proto", self.scheme.encode()),
            (b"cookie", cookies.encode()),
        ]
        method, client = "POST" if fields else "GET", ("127.0.0.1", 1)
        asked = environ(_scope(method=method, path=path, query_string=b"", headers=headers, client=client), None)
        asked["wsgi.input"] = io.BytesIO(body)
        asked["CONTENT_LENGTH"] = str(len(body))
        told: list[tuple[str, list[tuple[str, str]]]] = []
        _with_safe_cookies(WSGIHandler())(asked, lambda status, headers, _error=None: told.append((status, headers)))
        for name, value in told[0][1]:
            if name == "Set-Cookie":
                pair, *attributes = value.split("; ")
                self.jar.update([pair.split("=", 1)])
                self.set[pair.split("=")[0]] = attributes
        return told[0][0], dict(told[0][1])

    def name(self, cookie: str) -> str:
        return f"__Host-{cookie}" if self.scheme == "https" else cookie


@pytest.fixture
def kept(lantern: Any) -> Iterator[None]:
    """The connection of the test stays, though requests come and go."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


COOKIES = {"csrftoken", "desk", "device", "django_language", "shortcuts"}


def _set_by_every_page(browser: Browser) -> None:
    make_person("Vera", "vera@lantern.example", Organization.objects.get(), "admin")
    browser("/sign-in")
    browser("/language", language="ru")
    assert browser("/sign-in", email="vera@lantern.example", password=PASSWORD)[0] == "302 Found"
    assert browser("/profile", name="Vera", language="en", theme="auto")[0] == "302 Found"


@pytest.mark.django_db
def test_over_https_every_cookie_is_of_this_host_alone(kept: None) -> None:
    browser = Browser("https")
    _set_by_every_page(browser)
    assert browser.set.keys() == {f"__Host-{name}" for name in COOKIES}
    for name, attributes in browser.set.items():
        assert {"Secure", "Path=/", "HttpOnly", "SameSite=Lax"} <= set(attributes), name
        assert not [one for one in attributes if one.startswith("Domain")], name
    assert browser("/profile")[0] == "200 OK"


@pytest.mark.django_db
def test_over_https_a_cookie_that_another_name_of_the_domain_set_is_nobodys(kept: None) -> None:
    browser = Browser("https")
    _set_by_every_page(browser)
    browser.jar = {name.removeprefix("__Host-"): value for name, value in browser.jar.items()}
    assert browser("/profile")[0] == "302 Found"


@pytest.mark.django_db
def test_without_https_cookies_have_their_own_names_since_browsers_refuse_the_others(kept: None) -> None:
    browser = Browser("http")
    _set_by_every_page(browser)
    assert browser.set.keys() == COOKIES
    assert not [name for name, attributes in browser.set.items() if "Secure" in attributes]
    assert browser("/profile")[0] == "200 OK"


@pytest.mark.django_db
@pytest.mark.parametrize(("scheme", "told"), [("https", "max-age=31536000"), ("http", None)])
def test_a_browser_that_came_by_https_never_asks_by_http_again(kept: None, scheme: str, told: str | None) -> None:
    for path in ("/sign-in", "/profile", "/no-such-page"):
        assert Browser(scheme)(path)[1].get("Strict-Transport-Security") == told, path


def test_the_server_is_told_to_keep_no_log_and_say_nothing_of_itself() -> None:
    assert UVICORN["access_log"] is False
    assert UVICORN["server_header"] is False
    assert UVICORN["date_header"] is False


def test_what_somebody_asks_counts_for_the_organization_whose_page_it_is(
    vault: Any, lantern: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.web.asgi.close_old_connections", lambda: None)  # The connection of the test stays.
    ada = make_person("Ada", "ada@lantern.example", lantern, "viewer")
    other = found_organization("Aurora", source=vault, today=TODAY)
    give_role(ada, other, "viewer", by=None, now=NOW)
    client = signed_in(ada)
    found = works_for(client.get("/profile").wsgi_request.environ)
    assert found == Workplaces(ada.pk, {lantern.slug: lantern.pk, other.slug: other.pk})
    assert found.asked_at(f"/o/{other.slug}/media/add") == other.pk
    for page in (f"/o/{lantern.slug}/", "/profile", "/o/", "/o/of-somebody-else/", f"/shared/{other.slug}"):
        assert found.asked_at(page) == lantern.pk, page
    assert works_for(environ(_scope(path="/sign-in", headers=[]), None)) is None
    Membership.objects.filter(organization=other).update(locked=NOW)
    assert works_for(client.get("/profile").wsgi_request.environ) == Workplaces(ada.pk, {lantern.slug: lantern.pk})
    Membership.objects.all().delete()
    none = works_for(client.get("/profile").wsgi_request.environ)
    assert none == Workplaces(ada.pk, {})
    assert none.asked_at(f"/o/{lantern.slug}/") == 0


def test_whoever_has_many_links_to_letters_takes_turns_as_one_organization() -> None:
    links = TokenOwners()

    def opened(token: str, organization: int | None) -> Hashable:
        asked = {"PATH_INFO": f"/shared/{token}"}
        links.note(asked | ({LETTER: organization} if organization else {}))
        party, who = links.place(asked)
        assert who == token, "and within one they take turns by link"
        return party

    bells, lanterns = ({opened(f"{number} {of}", of) for number in range(26)} for of in (1, 2))
    made_up = {opened(f"{number}", None) for number in range(26)}
    assert [len(parties) for parties in (bells, lanterns, made_up)] == [1, 1, 1]
    assert len(bells | lanterns | made_up) == 3
    assert {opened("0 2", None)} == made_up, "its link was withdrawn"


def test_programs_of_one_organization_take_turns_by_their_keys() -> None:
    keys = TokenOwners()
    asked = {"PATH_INFO": "/api/v1/lists", "HTTP_AUTHORIZATION": "Bearer smz_a"}
    unknown, known = keys.place(asked), None
    keys.note(asked | {PROGRAM: 7})
    known = keys.place(asked)
    assert (known, unknown) == (((PROGRAM, 7), "Bearer smz_a"), ((PROGRAM, None), "Bearer smz_a"))
    keys.note(asked)
    assert keys.place(asked) == unknown, "the key was revoked"


ADA = Workplaces(7, {"lantern": 1})


def test_a_session_that_has_ended_is_a_strangers() -> None:
    seen, asked = SignedInSessions(), {"HTTP_COOKIE": "desk=ada"}
    seen.keep(asked, ADA, time.monotonic())
    seen.note(asked | {PERSON: True})
    assert seen.whose(asked) == ADA
    seen.note(asked)
    assert seen.whose(asked) is None


def test_whom_a_session_works_for_is_looked_up_anew_each_minute() -> None:
    seen, asked, now = SignedInSessions(), {"HTTP_COOKIE": "desk=ada"}, time.monotonic()
    seen.keep(asked, ADA, now)
    assert seen.is_new(asked)
    seen.keep(asked, ADA, now - SignedInSessions.SECONDS - 1)
    assert not seen.is_new(asked)
    assert seen.whose(asked) == ADA, "and until then waits where it did"


@pytest.mark.django_db
def test_who_joins_or_is_removed_counts_so_from_then_on(
    lantern: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    desk, asked = DeskApplication(WSGIHandler(), threads=1), {"HTTP_COOKIE": "desk=ada"}
    desk.heed_roles()

    def is_looked_up_anew_after(change: Callable[[], object]) -> bool:
        desk._seen.keep(asked, ADA, time.monotonic())
        with django_capture_on_commit_callbacks(execute=True):
            change()
            assert desk._seen.is_new(asked), "nobody else sees it yet"
        return not desk._seen.is_new(asked)

    assert is_looked_up_anew_after(lambda: make_person("Ada", "ada@lantern.example", lantern, "viewer"))
    assert is_looked_up_anew_after(Membership.objects.all().delete)


def test_a_page_comes_between_the_pieces_of_files_that_a_proxy_takes_at_once() -> None:
    files, asked = StaticFiles(), environ(_scope(method="GET", path="/static/vendor/editor.js", headers=[]), None)
    pieces, in_a_turn, going = 0, [], True

    async def send(message: dict[str, Any]) -> None:
        nonlocal pieces
        pieces += bool(message.get("more_body"))

    async def someone_else() -> None:
        nonlocal pieces
        while going:
            in_a_turn.append(pieces)
            pieces = 0
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        nonlocal going
        answers = [asyncio.create_task(files.answer(asked, send)) for _ in range(60)]
        beside = asyncio.create_task(someone_else())
        assert all(await asyncio.gather(*answers))
        going = False
        await beside

    asyncio.run(all_of_them())
    assert sum(in_a_turn) > 50 * 5
    assert max(in_a_turn[1:]) <= PIECES, "all of them have begun in the first turn"
