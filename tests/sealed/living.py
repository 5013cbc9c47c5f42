"""A whole life in a real house, lived by its real processes, which are then killed like at a seizure.

Everything that must not be found is made of words that occur nowhere else: each address holds LOCAL and DOMAIN, each
name FIRST and LAST, so that to look for these is to look for every one of them and for every part of them.
"""

import csv
import io
import json
import os
import re
import signal
import socket
import zipfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.conftest import PASSWORD
from tests.smtp_server import HANG_UP, ScriptedServer
from tests.web.controls import Controls
from tests.worker.conftest import Instance, until

LOCAL, DOMAIN = "kittiwake", "ptarmigan"
FIRST, LAST = "Wrenfeather", "Буревестник"
NOTE, TAG, COLUMN = "pipistrelle", "bluethroat", "redshank"
LIST, SUBJECT, BODY = "Goldcrest", "Shearwater", "dotterel"
ROUTE_USER, ROUTE_PASSWORD, ROUTE_HOST = "razorbill", "fulmarpass", "guillemot"
ADMIN, ADMIN_NAME, GUEST = "whimbrel", "Turnstone", "sanderling"
ADMIN_ADDRESS = f"{ADMIN}@{ADMIN}.example"
WORDS = (
    LOCAL, DOMAIN, FIRST, LAST, NOTE, TAG, COLUMN, LIST, SUBJECT, BODY, ROUTE_USER, ROUTE_PASSWORD, ROUTE_HOST, ADMIN,
    ADMIN_NAME, GUEST,
)  # fmt: skip

# A thousand; those that get the letter take the time.
SHARES = {"subscribed": 260, "unsubscribed": 340, "cleaned": 300, "nonsubscribed": 100}
PEOPLE = sum(SHARES.values())
MOVED = f"{LOCAL}.moved@{DOMAIN}.example"
LETTERS = "the Thursday Letter"  # Has a form and a letter, so its name is public.
MEGABYTE = 1 << 20


def address(number: int) -> str:
    return f"{LOCAL}.{number}@{DOMAIN}{number % 23}.example"


def export(path: Path, padding: int = 0) -> None:
    """Mailchimp's zip; `padding`: bytes of a further column in each row, which deflate cannot make small."""
    number = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for status, count in SHARES.items():
            rows = [_row(status, number + place, padding) for place in range(count)]
            number += count
            if status == "subscribed":
                rows.append({**rows[0], "Email Address": f"{LOCAL} is no address of {DOMAIN}"})
            box.writestr(f"{status}_members_export_5a1ad47a7e.csv", _csv(rows))


def _row(status: str, number: int, padding: int) -> dict[str, str]:
    row = {
        "Email Address": address(number),
        "First Name": f"{FIRST} {number}",
        "Last Name": LAST,
        COLUMN.title(): f"{COLUMN} {number}",
        "OPTIN_TIME": "2020-03-01 10:00:00",
        "CONFIRM_TIME": "2020-03-01 10:05:00",
        "LAST_CHANGED": "2021-05-06 07:08:09",
        "NOTES": f"{NOTE} {number}",
        "TAGS": f'"{TAG}"',
    }
    if status == "unsubscribed":
        row |= {"UNSUB_TIME": "2021-01-02 03:04:05", "UNSUB_REASON": "OTHER", "UNSUB_REASON_OTHER": f"{NOTE} says so"}
    if status == "cleaned":
        row["CLEAN_TIME"] = "2021-02-03 04:05:06"
    return row | ({"Padding": os.urandom(padding // 2).hex()} if padding else {})


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


# As if another admin had agreed already.
ASKS = f"""
from samizdat.accounts.models import Organization
from samizdat.portability.actions import ask
from samizdat.portability.request import ExportRequest
from samizdat.cli.bootstrap import now
print(ask(Organization.objects.get(), ExportRequest("csv", zipped=False), reason="{NOTE}", now=now(), by=None).pk)
"""
MADE = "from samizdat.portability.models import Export as E; print(json.dumps(E.objects.get().state))"


class Life:
    """What happens, in order. `seen` counts what came of it, so that a test can say that it did happen."""

    def __init__(self, instance: Instance, server: ScriptedServer, folder: Path) -> None:
        self.instance, self.server, self.folder = instance, server, folder
        self.seen: dict[str, Any] = {}

    def live(self) -> None:
        letter = int(self.instance.run("-m", "tests.sealed.furnish", str(self.server.port)))
        self.bring_in()
        self.instance.start()
        self.send(letter)
        self.leave()
        self.sign_up("asks")
        self.move()
        until(lambda: self.server.copies(f"{LOCAL}.asks@{DOMAIN}.example"))
        self.at_the_desk(letter)
        self.seize()

    def command(self, *words: str) -> dict[str, Any]:
        return json.loads(self.instance.run("-m", "samizdat.cli", *words, "--json"))

    def bring_in(self) -> None:
        """Twice: the second time with other words for everybody, so that rows are written over."""
        path = self.folder / "members_export_5a1ad47a7e.zip"
        export(path)
        self.seen["import"] = self.command("import", str(path), "--list", LETTERS)
        export(path, padding=40)
        self.seen["again"] = self.command("import", str(path), "--list", LETTERS)

    def send(self, letter: int) -> None:
        """Through a server that says no in every way, with the address in its words, and once says nothing."""
        for number in range(20):
            person, local = address(number), address(number).partition("@")[0]
            text = (
                f"550 5.1.1 <{person}>: Recipient address rejected: User unknown",
                f"550 5.1.1 no mailbox {local.upper()} here",
                f"552 5.2.2 <{person.upper()}>: over quota",
                f"554 5.7.1 refused, SRS0=ab=cd={person.partition('@')[2]}={local}@relay.example",
                f"450 4.7.1 {person} greylisted, see https://relay.example/?rcpt={person.replace('@', '%40')}",
            )[number % 5]
            self.server.on("rcpt" if number % 2 else "final", text, recipient=person)
        self.server.on("final", HANG_UP, recipient=address(30))
        self.command("campaign", "send", str(letter))
        # Twenty are refused or put off.
        until(lambda: len(self.server.messages) >= SHARES["subscribed"] - 20, 60)
        until(lambda: self.status(letter)["pending"] == 0, 60)
        self.seen["letter"] = self.status(letter)

    def status(self, letter: int) -> dict[str, Any]:
        return self.command("campaign", "status", str(letter))

    def leave(self) -> None:
        """By a mailbox's button, by the desk, and for good."""
        self.press("/u/", address(40), b"List-Unsubscribe=One-Click")
        self.command("subscribers", "unsubscribe", address(41), "--list", LETTERS)
        self.command("subscribers", "erase", address(42), "--yes")
        until(lambda: self.left() == SHARES["unsubscribed"] + 2)
        self.seen["left"] = self.left() - SHARES["unsubscribed"]

    def press(self, path: str, recipient: str, form: bytes, link: str = "") -> None:
        """A link of the letter or mail that somebody got. `link`: how it begins there, where that is another one."""
        begins = (link or path).encode() + rb"([a-z2-7]{20,60})"

        def token() -> re.Match[bytes] | None:
            caught = [each.content for each in list(self.server.messages) if each.recipient == recipient]
            whole = b"\n".join(caught).replace(b"=\r\n", b"").replace(b"\r\n ", b"")
            return re.search(begins, whole)

        status, page, _headers = self.instance.ask(path + until(token)[1].decode(), form, Content_Type=FORM)
        assert status == 200, page

    def move(self) -> None:
        """To another address, by the page of preferences and a mail to either."""
        self.press("/p/", address(43), urlencode({"do": "move", "email": MOVED}).encode(), link="/u/")
        self.press("/o/", address(43), b"")
        self.press("/n/", MOVED, b"")

    def left(self) -> int:
        return self.command("subscribers", "count", "--list", LETTERS, "--status", "unsubscribed")["count"]

    def sign_up(self, who: str) -> None:
        words = {"email": f"{LOCAL}.{who}@{DOMAIN}.example"}
        # A post without a stamp is asked for once more, with one.
        again = self.instance.ask("/f/thursday", urlencode(words).encode(), Content_Type=FORM)[1].decode()
        stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', again)
        assert stamp is not None
        form = urlencode(words | {"stamp": stamp[1]}).encode()
        assert self.instance.ask("/f/thursday", form, Content_Type=FORM)[0] == 200

    def at_the_desk(self, letter: int) -> None:
        """An upload that is looked through and stays, an address that is looked up, a letter tried out."""
        desk = Desk(self.instance.ports[0])
        desk.sign_in()
        path = self.folder / "upload.zip"
        export(path, padding=400)
        number = desk.upload(path.read_bytes())
        until(lambda: b"Import into list" in desk.get(f"/imports/{number}/")[1] and self.states().count("found") == 1)
        found = desk.post("/subscribers/", {"q": address(50)})
        assert found[0] == 302
        self.note(desk, found[2].removeprefix("/o/northern-lantern"))
        self.take_along(desk)
        until(lambda: desk.post("/subscribers/", {"q": MOVED})[0] == 302)
        self.seen["moved"] = True
        assert desk.post(f"/campaigns/{letter}/test", {"address": f"{LOCAL}.tries@{DOMAIN}.example"})[0] in (200, 302)
        self.hold(desk)

    def note(self, desk: "Desk", page: str) -> None:
        form = next(form for form in Controls(desk.get(f"{page}edit")[1].decode()).forms if "notes" in form.typed)
        assert desk.post(f"{page}edit", form.sent | {"notes": f"{NOTE} by telephone"})[0] == 302

    def take_along(self, desk: "Desk") -> None:
        """Everybody in a plain file, which is not fetched and thrown away again."""
        number = self.instance.python(ASKS)
        until(lambda: self.instance.python(MADE) == "ready")
        assert desk.post(f"/exports/{number}/delete", {})[0] == 302
        self.seen["export"] = self.instance.python(MADE)

    def states(self) -> list[str]:
        return self.instance.python(
            "from samizdat.audience.models import Import; "
            "print(json.dumps([row.state for row in Import.objects.order_by('id')]))"
        )

    def pieces(self) -> int:
        return self.instance.python("from samizdat.audience.models import ImportPiece as P; print(P.objects.count())")

    def hold(self, desk: "Desk") -> None:
        """At the last moment: a sign-up that no worker takes up, and an upload of which half is here."""
        for process in self.instance.children()["worker"]:
            os.kill(process, signal.SIGSTOP)
        self.sign_up("waits")
        path = self.folder / "torn.zip"
        export(path, padding=20_000)
        self.half = desk.half_an_upload(path.read_bytes())
        self.seen["pieces"] = self.pieces()
        self.seen["states"] = self.states()

    def seize(self) -> None:
        """Power off: nobody tidies up, logs and journals stay as they are."""
        self.instance.kill()
        self.half.close()


FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----an-upload-in-pieces"


class Desk:
    """A browser at the desk."""

    def __init__(self, port: int) -> None:
        self._port, self._cookies = port, {}
        self._base = "/o/northern-lantern"

    def sign_in(self) -> None:
        until(lambda: self.get("/sign-in", base="")[0] == 200)
        answer = self.post("/sign-in", {"email": ADMIN_ADDRESS, "password": PASSWORD}, base="")
        assert answer[0] == 302, answer[1]

    def get(self, path: str, base: str | None = None) -> tuple[int, bytes, str]:
        return self._ask("GET", (self._base if base is None else base) + path)

    def post(self, path: str, form: dict[str, Any], base: str | None = None) -> tuple[int, bytes, str]:
        body = urlencode({**form, "csrfmiddlewaretoken": self._cookies["csrftoken"]}, doseq=True).encode()
        return self._ask("POST", (self._base if base is None else base) + path, body, FORM)

    def upload(self, data: bytes) -> int:
        status, page, where = self._ask(
            "POST", f"{self._base}/imports/upload", self._multipart(data), f"multipart/form-data; boundary={BOUNDARY}"
        )
        number = re.search(r"/imports/(\d+)/", where)
        assert status == 302 and number, (status, page)
        return int(number[1])

    def half_an_upload(self, data: bytes) -> socket.socket:
        """The first half of a long one; the rest never comes."""
        body = self._multipart(data)
        assert len(body) > 3 * MEGABYTE, len(body)
        connection = socket.create_connection(("127.0.0.1", self._port), 10)
        head = (
            f"POST {self._base}/imports/upload HTTP/1.1\r\nHost: localhost\r\nCookie: {self._cookie()}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[: len(body) // 2])
        return connection

    def _multipart(self, data: bytes) -> bytes:
        token = f'Content-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{self._cookies["csrftoken"]}'
        # Whoever saved the export may have written their own name on it.
        file = f'Content-Disposition: form-data; name="files"; filename="{FIRST}.zip"\r\nContent-Type: application/zip'
        head = f"--{BOUNDARY}\r\n{token}\r\n--{BOUNDARY}\r\n{file}\r\n\r\n"
        return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            headers = {"Cookie": self._cookie(), **({"Content-Type": kind} if kind else {})}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            page = answer.read()
            for line in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = line.partition(";")[0].partition("=")
                self._cookies[name] = value
            return answer.status, page, answer.headers.get("Location", "")
        finally:
            connection.close()
