"""Readers who join with the box for appeals ticked, confirm both, take appeals back, change, pause, leave and are
erased, over HTTP, without script, cookie or picture.

python -m bench journeys [--readers 1000] [--threads 32] [--only sqlite|postgresql]

A house of its own with one list and ten forms is served whole: a purse of readers without script holds a hundred a
form, and fills again by two a second. What readers get by mail is read from the folder that its route writes to. Every
page they see is weighed with its stylesheet and must ask nobody else for anything. At the end nobody is left, and no
file of the house or of its database holds one of their addresses, the browser's name or the IP that a proxy told.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from bench import common

WEIGHT = 14 * 1024
# What a browser and a proxy before us tell of somebody: it must be in no file afterwards.
AGENT, ADDRESS = "Xq7Browser/9.1", "203.0.113.97"
MILLISECONDS = 200.0
# Seconds that a reader waits for what the house does: taken up in 5, mail beside it.
PATIENCE = 120.0

PARTS = ("join", "confirm", "refuse", "change", "pause", "leave", "erase")


class Site(Protocol):
    """Where the journeys go: a served house, or one inside of a test."""

    def get(self, path: str) -> tuple[int, str, str]:
        """(status, page, Location)."""

    def post(self, path: str, words: dict[str, str]) -> tuple[int, str, str]: ...

    def mail(self, address: str, path: str) -> str:
        """The token behind /path/ in a mail to this address; "" while none has come."""

    def preferences(self, addresses: Sequence[str]) -> dict[str, str]:
        """A preferences token for each, as their letters carry it."""

    def work(self) -> None:
        """What happens while a reader waits."""


class Stopped(Exception):
    """A journey that cannot go on; the sentence says where."""


@dataclass(slots=True)
class Walk:
    """All journeys, step by step: many at a time, each in its order."""

    site: Site
    slugs: Sequence[str]
    threads: int = 1
    weights: dict[str, int] = field(default_factory=dict)

    def go(self, addresses: Sequence[str], told: Callable[[str, float], None] = lambda _name, _took: None) -> None:
        """Errors: Stopped."""
        tokens: dict[str, str] = {}
        for name in PARTS:
            began = time.monotonic()
            if name == "refuse":
                tokens = self.site.preferences(addresses)
            self._all(getattr(self, f"_{name}"), [(address, tokens.get(address, "")) for address in addresses])
            told(name, time.monotonic() - began)

    def _all(self, step: Callable[[str, str], None], readers: Sequence[tuple[str, str]]) -> None:
        if self.threads == 1:
            for reader in readers:
                step(*reader)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda reader: step(*reader), readers))

    def _join(self, address: str, _token: str) -> None:
        form = f"/f/{self.slugs[sum(address.encode()) % len(self.slugs)]}"
        page = self._page("form", form)

        def sent() -> bool:
            nonlocal page
            _status, page, _ = self.site.post(form, {"email": address, "appeals": "1", "stamp": _stamp(page)})
            return 'name="stamp"' not in page

        self._until(sent, "the form was never taken")

    def _confirm(self, address: str, _token: str) -> None:
        token = self._until(lambda: self.site.mail(address, "c"), "no mail asked the reader")
        if "The box for fundraising appeals was checked too" not in self._page("confirm", f"/c/{token}"):
            raise Stopped("the page does not say that appeals are confirmed as well")
        self._posted("confirmed", f"/c/{token}", {})
        self._until(lambda: "<form" not in self.site.get(f"/c/{token}")[1], "the confirmation was not taken up")

    def _refuse(self, _address: str, token: str) -> None:
        """A reader who agreed to appeals sees that in their settings and takes it back: no mail is needed for that."""
        self._settings(token, 'name="asks" value="1" id="m" checked')
        self._posted("refused", f"/p/{token}", {"do": "save", "often": "all", "language": "en", "asking": "yes"})
        self._settings(token, 'name="asks" value="1" id="m">')

    def _change(self, _address: str, token: str) -> None:
        words = {"do": "save", "often": "monthly", "language": "ru", "text": "1", "discreet": "1"}
        self._posted("saved", f"/p/{token}", words)
        self._settings(token, 'value="monthly" id="f2" checked')

    def _pause(self, _address: str, token: str) -> None:
        day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        self._posted("paused", f"/p/{token}", {"do": "save", "often": "pause", "until": day, "language": "ru"})
        self._settings(token, f'value="{day}" selected')

    def _leave(self, _address: str, token: str) -> None:
        self._page("leave", f"/u/{token}")
        self._posted("left", f"/u/{token}", {})
        self._until(lambda: f"/u/{token}/back" in self.site.get(f"/u/{token}")[1], "the leaving was not taken up")

    def _erase(self, address: str, token: str) -> None:
        self._posted("mailed", f"/p/{token}", {"do": "erase"})
        mailed = self._until(lambda: self.site.mail(address, "e"), "no mail asked whether to erase")
        self._page("erase", f"/e/{mailed}")
        self._posted("erased", f"/e/{mailed}", {})
        self._until(lambda: "<form" not in self.site.get(f"/e/{mailed}")[1], "the erasing was not taken up")

    def _settings(self, token: str, wanted: str) -> None:
        """Asks to see them again until they say what was chosen: a sheet that was laid out before does not."""

        def seen() -> bool:
            self._page("closed", f"/p/{token}")
            where = self.site.post(f"/p/{token}", {"do": "show"})[2]
            self._until(lambda: 'name="often"' in self.site.get(where)[1], "the settings never came")
            return wanted in self._page("settings", where)

        self._until(seen, "what the reader chose was not taken up")

    def _page(self, name: str, path: str) -> str:
        return self._weighed(name, *self.site.get(path)[:2])

    def _posted(self, name: str, path: str, words: dict[str, str]) -> str:
        return self._weighed(name, *self.site.post(path, words)[:2])

    def _weighed(self, name: str, status: int, page: str) -> str:
        if status != 200:
            raise Stopped(f"{name}: answered {status}")
        if re.search(r"https?://|<img|<style|<iframe", page):
            raise Stopped(f"{name}: the page asks somebody else")
        self.weights[name] = max(self.weights.get(name, 0), len(page.encode()))
        return page

    def _until[T](self, what: Callable[[], T], sentence: str) -> T:
        deadline = time.monotonic() + PATIENCE * 10
        while time.monotonic() < deadline:
            self.site.work()
            if found := what():
                return found
        raise Stopped(sentence)


def _stamp(page: str) -> str:
    found = re.search(r'name="stamp" id="stamp" value="([a-z2-7]{39})"', page)
    if not found:
        raise Stopped("a form without a stamp")
    return found[1]


def tokens_in(mails: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """(recipient, path, token) of the links in mails."""
    for path in mails:
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        for kind, token in re.findall(r"/([a-z])/([a-z2-7]{52})", mail.get_content()):
            yield str(mail["To"]), kind, token


# -- a served house ---------------------------------------------------------------------------------------------


class Served:
    """`samizdat serve` in a folder of its own."""

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        self.folder, self.ports, self.out = folder, ports, folder / "out"
        self.slugs: list[str] = []
        self.times: list[float] = []
        self._found: dict[tuple[str, str], str] = {}
        self._read: set[Path] = set()
        self._looked = 0.0
        self.process = 0  # of `serve`

    def get(self, path: str) -> tuple[int, str, str]:
        return self._ask("GET", path, None)

    def post(self, path: str, words: dict[str, str]) -> tuple[int, str, str]:
        return self._ask("POST", path, urlencode(words).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, str, str]:
        connection = HTTPConnection("127.0.0.1", self.ports[1], timeout=30)
        headers = {"User-Agent": AGENT, "X-Forwarded-For": ADDRESS, "Forwarded": f"for={ADDRESS}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            page = answer.read().decode()
        finally:
            connection.close()
        self.times.append(time.perf_counter() - began)
        return answer.status, page, answer.getheader("Location") or ""

    def mail(self, address: str, path: str) -> str:
        if time.monotonic() - self._looked > 0.5:
            self._looked = time.monotonic()
            fresh = {*self.out.rglob("*.eml")} - self._read
            self._read |= fresh
            self._found |= {(to, kind): token for to, kind, token in tokens_in(fresh)}
        return self._found.get((address, path), "")

    def preferences(self, addresses: Sequence[str]) -> dict[str, str]:
        code = (
            "import sys; from samizdat.accounts.models import Organization; from samizdat.audience import queries; "
            "from samizdat.core.crypto import tokens; from samizdat.vault import keyring; "
            "o = Organization.objects.get(); "
            "print(json.dumps({a: tokens.make(keyring.keys(o).link, 'preferences', 1, "
            "queries.subscriber_at(o, a).number) for a in json.load(sys.stdin)}))"
        )
        found: dict[str, str] = inside(code, json.dumps([*addresses]))
        return found

    def work(self) -> None:
        # The house looks once a second: whoever asks more often only keeps it from its work.
        time.sleep(0.5)


def inside(code: str, given: str = "") -> dict[str, str]:
    """Runs code in the house, as a command would; what it prints is read as JSON."""
    head = "from samizdat.cli.bootstrap import open_house; open_house(); import json; "
    done = subprocess.run([sys.executable, "-c", head + code], input=given, text=True, capture_output=True, check=False)
    if done.returncode:
        raise Stopped(done.stderr[-2000:])
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def inside_without_keys(code: str) -> dict[str, str]:
    """The same where the house gives no key."""
    head = "from samizdat.cli.bootstrap import load_django; load_django(); import json; "
    done = subprocess.run(
        [sys.executable, "-c", head + code.strip().replace("\n", "; ")], text=True, capture_output=True, check=True
    )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


MAKE = (
    "import os; from datetime import datetime, UTC; from samizdat.accounts.models import Organization; "
    "from samizdat.audience import actions; from samizdat.audience.list_details import ListDetails; "
    "from samizdat.delivery.actions import add_route; o = Organization.objects.get(); now = datetime.now(UTC); "
    "details = ListDetails(from_email='letter@lantern.example', purpose='I agree.', appeals='Ask me.'); "
    "l = actions.new_list(o, 'Thursday', now=now, details=details); "
    "actions.give_form(l, 'thursday', now=now); add_route(o, 'out', 'folder://' + os.environ['OUT'], now=now); "
    "from samizdat.audience.actions import forms; told = forms.FormFacts('Thursday', 'en', (l.id,), 'I agree.', "
    "appeals='Ask me.'); "
    "print(json.dumps({str(n): forms.make_form(o, told, now=now).slug for n in range(9)}))"
)


@contextmanager
def served(folder: Path, prepare: str = MAKE, before: Callable[[], object] = lambda: None) -> Iterator[Served]:
    """`prepare`: code that furnishes the house and prints the addresses of its forms. house.log: what it says. before:
    called before it is served."""
    site = Served(folder, (common.free_port(), common.free_port()))
    site.out.mkdir()
    os.environ |= {"SAMIZDAT_DATA": str(folder / "house"), "OUT": str(site.out), "SAMIZDAT_CONFIRMATIONS": "1000000"}
    (folder / "password").write_text("a lamp in the north")
    (folder / "password").chmod(0o600)
    words = ["--organization", "Lantern", "--admin", "clara@lantern.example", "--json"]
    more = ["--password-file", str(folder / "password"), "--url", f"http://127.0.0.1:{site.ports[1]}"]
    command = [sys.executable, "-m", "samizdat.cli"]
    done = subprocess.run([*command, "init", *words, *more], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Stopped(done.stdout + done.stderr)
    site.slugs = ["thursday", *inside(prepare).values()]
    ports = ["--port", str(site.ports[0]), "--public-port", str(site.ports[1])]
    before()
    log = (folder / "house.log").open("w")
    process = subprocess.Popen([*command, "serve", *ports], stdout=log, stderr=log)
    site.process = process.pid
    try:
        _wait_for(site)
        yield site
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _wait_for(site: Served) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if all(site.get(f"/f/{slug}")[0] == 200 for slug in site.slugs):
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise Stopped("the house did not start")


LEFT = "from samizdat.audience.models import Subscriber; print(json.dumps({'left': str(Subscriber.objects.count())}))"


def measure(folder: Path, vendor: str, readers: int, threads: int) -> int:
    with served(folder) as site:
        site.times.clear()
        walk = Walk(site, site.slugs, threads)
        addresses = [f"reader{number}.xq7@journey.example" for number in range(readers)]
        common.say(f"{vendor}: {readers:,} readers, {threads} at a time")
        walk.go(addresses, lambda name, took: common.say(f"  {name:<8} {took:8.1f} s for all"))
        left = float(inside(LEFT)["left"])
        sheet = len(site.get("/style.css?b3261e")[1]) + len(site.get("/work.js")[1])
        times = sorted(site.times)
    # The data folder, and PostgreSQL's beside it with its write-ahead log; not what went out by mail.
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(site.out)]
    contents = [path.read_bytes() for path in files]
    traces = sum(one.count(b"xq7@journey") for one in contents)
    who = sum(one.count(AGENT.encode()) + one.count(ADDRESS.encode()) for one in contents)
    return common.conclude(
        [
            common.Target(f"{vendor}: readers left", left, 0, "readers"),
            common.Target(f"{vendor}: addresses in files and tables", traces, 0, "found"),
            common.Target(f"{vendor}: IPs, browsers in files, tables", who, 0, "found"),
            common.Target(
                f"{vendor}: heaviest page and what it loads", max(walk.weights.values()) + sheet, WEIGHT, "bytes"
            ),
            common.Target(
                f"{vendor}: p95 of {len(times):,} requests", times[int(len(times) * 0.95)] * 1000, MILLISECONDS, "ms"
            ),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench journeys", description=__doc__)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(
        options, "bench.journeys", lambda data: measure(data.parent, options.only, options.readers, options.threads)
    )


if __name__ == "__main__":
    sys.exit(main())
