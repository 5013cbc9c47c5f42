"""Pages of the desk over a house with a million subscribers, on SQLite and on PostgreSQL.

python -m bench pages [--subscribers 1000000] [--only sqlite|postgresql] [--times 40] [--fresh]

The house: a generated Mailchimp export brought in by the import, one letter that went to everybody, fifty smaller ones,
one under way by a slow route to smtp-sink, and a log in which a fifth as many readers left or were looked at. The
letter that went out was not sent: its ledger is filled by the recorder's own `write`, over three hours, with refusals
and second tries, which makes a longer report than a quick send to a sink. Building takes minutes, so the house stays in
the temporary folder and is used again until a migration or SHAPE changes; --fresh builds it anew.

Asked is the desk of `samizdat serve`, whole tree, over one kept connection, each page with other rows every time. Times
are what a browser waits for the whole page. CPU is the desk's process, and PostgreSQL's beside it (its share for the
sender of the letter under way included).
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from bench import common
from bench.letters import letter
from bench.sink import Postfix
from scripts.test import find_tool

MILLISECONDS = 150.0
SHAPE = 2  # Of the built house: raise it when build() changes.

ADMIN, PASSWORD = "clara@northern-lantern.example", "a lamp in the north"
LETTERS = 50
DRAFTS = 5
CIRCLE = 200  # People with the tag that the smaller letters go to.
HOURS = 3
# Messages a second of the letter under way: slow enough that it lasts for many runs.
SLOW = "20/s"

TIMES = 40  # Each page is asked for.

BUILD_SECONDS, ANSWER_SECONDS, START_SECONDS = 3600, 60, 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench pages", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    vendors = (options.only,) if options.only else common.VENDORS
    size, times, fresh = options.subscribers, options.times, options.fresh
    return common.conclude([slowest(vendor, size, times, fresh=fresh) for vendor in vendors])


def slowest(vendor: str, subscribers: int, times: int = TIMES, *, fresh: bool = False) -> common.Target:
    """Asks every page so many times; the slowest by its p95 is the figure that counts."""
    # Stopped from outside: as if by Ctrl-C, so that what was started is stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with cache(subscribers, vendor if fresh else "") as folder, house(folder / vendor, vendor, subscribers) as built:
        return measure(built, times)


# --- the house, kept between runs ---


@contextlib.contextmanager
def cache(size: int, fresh: str) -> Iterator[Path]:
    """Our folder for houses of this size and schema, locked. Those of an older schema are thrown away, and the one on
    the database `fresh`."""
    place = Path(tempfile.gettempdir())
    name = f"samizdat-bench-pages-{os.geteuid()}-{size}"
    folder = place / f"{name}-{schema()}"
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise SystemExit(f"{folder} is somebody else's. Remove it, or set TMPDIR.")
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"Another run is using {folder}. Wait for it to end.") from None
        for old in place.glob(f"{name}-*"):
            if old != folder and old.stat().st_uid == os.geteuid():
                shutil.rmtree(old, ignore_errors=True)
        if fresh:
            shutil.rmtree(folder / fresh, ignore_errors=True)
        yield folder


def schema() -> str:
    """Names the tables that a house was built with."""
    told = hashlib.sha256(str(SHAPE).encode())
    for path in sorted((Path(__file__).parent.parent / "samizdat").glob("*/migrations/*.py")):
        told.update(path.read_bytes())
    return told.hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Built:
    """A house that is ready: its folder, its environment, what is in it, and PostgreSQL's process."""

    vendor: str
    data: Path
    environment: dict[str, str]
    told: dict[str, Any]
    server: int | None
    size: int


@contextlib.contextmanager
def house(folder: Path, vendor: str, size: int) -> Iterator[Built]:
    """Opens the kept house, or builds it first. One that was built half way is built anew."""
    mark = folder / "built.json"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o711, exist_ok=True)
    with cluster(folder) if vendor == "postgresql" else contextlib.nullcontext(("", None)) as (url, server):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT")}
        environment |= {
            "SAMIZDAT_USER": os.environ["SAMIZDAT_USER"],
            "SAMIZDAT_DATA": str(folder / "data"),
            "DATABASE_URL": url,
        }
        if not mark.exists():
            begun = time.monotonic()
            common.say(f"Building a house of {size:,} on {vendor} …")
            out = folder / "built.part"
            ourselves(environment, BUILD_SECONDS, "--build", str(size), str(out))
            out.rename(mark)
            common.say(f"  built in {time.monotonic() - begun:.0f} s")
        yield Built(vendor, folder / "data", environment, json.loads(mark.read_text()), server, size)


def ourselves(environment: dict[str, str], seconds: float, *words: str) -> None:
    """A part of this benchmark that needs Django with other settings, in a process of its own."""
    command = [sys.executable, "-m", "bench.pages", *words]
    if subprocess.run(command, env=environment, check=False, timeout=seconds).returncode:
        raise SystemExit(f"bench pages {words[0]} failed.")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL of our own with its data in `folder`, reached by a socket there: (URL, process)."""
    server = find_tool("postgres")
    if server is None:
        raise SystemExit("PostgreSQL is not installed. On Debian: apt-get install --no-install-recommends postgresql")
    tools, base = Path(server).parent, folder / "cluster"
    # It refuses to run as root.
    as_owner: list[str] = []
    if os.geteuid() == 0:
        as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    run = [*as_owner, "env", "-C", "/"]
    if not base.exists():
        base.mkdir(mode=0o700)
        if as_owner:
            shutil.chown(base, "postgres", "postgres")
        words = ["-D", base / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*run, tools / "initdb", *words], check=True, stdout=subprocess.DEVNULL)
    control = [*run, tools / "pg_ctl", "-D", base / "data", "-w"]
    settings = f"-k {base} -c listen_addresses= -c max_connections=100"
    # A run that was killed leaves its server behind.
    subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True)
    command = [*control, "-o", settings, "-l", base / "log", "start"]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"PostgreSQL does not start: {(base / 'log').read_text(errors='replace')[-2000:]}")
    try:
        process = int((base / "data" / "postmaster.pid").read_text().split()[0])
        yield f"postgresql://postgres@/postgres?host={quote(str(base))}", process
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=False, stdout=subprocess.DEVNULL)


# --- building it, in a process of its own ---


def build(size: int, out: Path) -> int:
    """Makes the house in SAMIZDAT_DATA and DATABASE_URL; writes what the questions need to `out`."""
    from samizdat.cli.instance import make_house

    data = Path(os.environ["SAMIZDAT_DATA"])
    shutil.rmtree(data, ignore_errors=True)
    data.with_name(data.name + ".key").unlink(missing_ok=True)
    organization = make_house("Northern Lantern", ADMIN, PASSWORD, language="en", public_url="http://127.0.0.1:1")
    list_ = bring_in(organization, size, data.with_name("export.zip"))
    step = Steps()
    routes = [add_route(organization, name) for name in ("first", "second")]
    circle = choose_circle(organization)
    for number in range(LETTERS):
        sent(organization, list_, f"Letter {number + 1}", routes, circle, number)
    step("fifty letters")
    finished = sent(organization, list_, "What the court heard", routes, None, 7)
    step("ledger of the letter to everybody")
    drafts = [write_draft(organization, list_, f"Draft {number + 1}", None) for number in range(DRAFTS)]
    under_way = released(organization, list_, "Thursday", None)
    step("the letter under way")
    fill_log(organization, size // 5)
    link_up()
    step("the log and its chain")
    out.write_text(json.dumps(told_of(organization, list_, finished, under_way, drafts[0], size)))
    return 0


class Steps:
    """Says how long each step of the building took."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, what: str) -> None:
        before, self._at = self._at, time.monotonic()
        common.say(f"  {what}: {self._at - before:.0f} s")


def bring_in(organization: Any, size: int, export: Path) -> Any:
    from samizdat.audience.actions import direct, new_list
    from samizdat.cli.demo.export import make_mailchimp_export

    step = Steps()
    list_ = new_list(organization, "The Thursday Letter", now=now())
    make_mailchimp_export(export, size)
    step("export")
    try:
        direct(organization, list_, [export], now=now)
    finally:
        export.unlink()
    step("import")
    return list_


def now() -> datetime:
    return datetime.now(UTC)


def add_route(organization: Any, name: str) -> Any:
    from samizdat.delivery import actions

    return actions.add_route(
        organization, name, "smtp+plain://127.0.0.1:1", now=now(), rate=SLOW if name == "first" else None
    )


def choose_circle(organization: Any) -> Any:
    """A tag that a few people carry, some of each kind."""
    from samizdat.audience.actions import add_tags
    from samizdat.audience.models import Subscriber
    from samizdat.audience.queries import tag_named

    for row in Subscriber.objects.filter(organization=organization).order_by("email_index")[:CIRCLE]:
        add_tags(row, ["circle"], now=now())
    return tag_named(organization, "circle")


def write_draft(organization: Any, list_: Any, subject: str, tag: Any) -> Any:
    from samizdat.accounts.models import Person
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft

    draft = Draft(
        subject=subject,
        from_name="Northern Lantern",
        from_email="letter@northern-lantern.example",
        body=letter(),
        format="html",
    )
    return create(organization, list_, draft, by=Person.objects.get(), now=now(), tag=tag)


def released(organization: Any, list_: Any, subject: str, tag: Any) -> Any:
    from samizdat.delivery.actions import release

    return release(write_draft(organization, list_, subject, tag), now=now())


def sent(organization: Any, list_: Any, subject: str, routes: list[Any], tag: Any, seed: int) -> Any:
    """A letter whose ledger is full: every chunk written by what the recorder writes with."""
    from samizdat.core.mail.ledger import JournalNews, unpack_numbers
    from samizdat.delivery.actions.due import finish_if_done
    from samizdat.delivery.engine.results import write
    from samizdat.delivery.models import Chunk, Retry

    campaign = released(organization, list_, subject, tag)
    chance = random.Random(seed)
    chunks = list(Chunk.objects.filter(edition=campaign.edition).order_by("position").values_list("pk", "numbers"))
    begun = now() - timedelta(hours=HOURS + 1)
    for place, (chunk, blob) in enumerate(chunks):
        at = begun + timedelta(hours=HOURS) * (place / len(chunks))
        route = routes[0 if place * 2 < len(chunks) else 1]
        results = answers(campaign, chunk, unpack_numbers(bytes(blob)), route, chance)
        write(results, at)
        again = [
            result._replace(news=JournalNews.ACCEPTED, code=250, text="") for result in results if result.code == 450
        ]
        if again:
            # What greylisting puts off is taken an hour later; no clock runs here, so its try is not moved to a chunk.
            write([result._replace(retry=True) for result in again], at + timedelta(hours=1))
    assert not Retry.objects.filter(edition=campaign.edition).exists()
    assert finish_if_done(campaign.pk, now())
    return campaign


def answers(campaign: Any, chunk: int, numbers: list[int], route: Any, chance: random.Random) -> list[Any]:
    """What a relay says to five hundred messages: 97 in a hundred taken."""
    from samizdat.audience import sql as audience_sql
    from samizdat.audience.models import row_id
    from samizdat.core.mail import outcome
    from samizdat.core.mail.ledger import JournalNews
    from samizdat.delivery.engine.results import SendResult

    found = audience_sql.providers([row_id(campaign.organization_id, number) for number in numbers])
    kinds = {
        "accepted": (JournalNews.ACCEPTED, 250, ""),
        "full": (JournalNews.REFUSED, 552, "5.2.2 mailbox of <reader> is full"),
        "no_such_mailbox": (JournalNews.REFUSED, 550, f"5.1.1 no such user, {chance.choice('abcdefghijk')}"),
        "policy": (JournalNews.REFUSED, 554, "5.7.1 message refused as spam"),
        "greylisted": (JournalNews.DEFERRED, 450, "4.7.1 greylisted, come back"),
    }
    results = []
    for number, kind in zip(numbers, chance.choices([*kinds], (970, 5, 10, 5, 10), k=len(numbers)), strict=True):
        news, code, text = kinds[kind]
        provider = found.get(row_id(campaign.organization_id, number), 0)
        answer = outcome.NUMBERS[kind]
        results.append(
            SendResult(campaign.edition.pk, chunk, number, news, answer, code, route.pk, provider=provider, text=text)
        )
    return results


def fill_log(organization: Any, count: int) -> None:
    """Events as they gather over the years: readers who left, readers who were looked at."""
    from samizdat.audience.models import Subscriber
    from samizdat.events.models import Event

    rows = Subscriber.objects.filter(organization=organization).values_list("id", flat=True)
    at, chance = now() - timedelta(days=900), random.Random(5)
    page = []
    for place, about in enumerate(rows.order_by("email_index")[:count].iterator()):
        kind = chance.choice(("subscriber.left", "subscriber.left", "subscriber.opened"))
        seconds = timedelta(seconds=place * 900 * 86400 / count)
        event = Event(kind=kind, about=about, at=at + seconds, digest=os.urandom(32), handled=True)
        event.organization_id = organization.id
        page.append(event)
        if len(page) == 5000:
            Event.objects.bulk_create(page)
            page = []
    Event.objects.bulk_create(page)


def link_up() -> None:
    """The chain over everything, and PostgreSQL's statistics, so that neither is done while pages are asked."""
    from django.db import connection

    from samizdat.events import chain

    while chain.append():
        continue
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def told_of(organization: Any, list_: Any, finished: Any, under_way: Any, draft: Any, size: int) -> dict[str, Any]:
    from samizdat.audience.models import Subscriber
    from samizdat.audience.queries import address_of, tags

    chosen = list(Subscriber.objects.filter(organization=organization).order_by("email_index")[:200])
    return {
        "slug": organization.slug,
        "list": list_.pk,
        "tags": {name: number for number, name in tags(organization)},
        "numbers": [row.number for row in chosen],
        "addresses": [address_of(row) for row in chosen],
        "highest": max(Subscriber.objects.order_by("-id")[0].number, 1),
        "finished": finished.pk,
        "frozen": finished.frozen,
        "under_way": under_way.pk,
        "draft": draft.pk,
    }


# --- asking ---


def measure(built: Built, times: int) -> common.Target:
    with Postfix() as sink, serving(built, sink.port) as (port, desk):
        browser = Browser(port, built.told["slug"])
        browser.sign_in()
        common.say(
            f"\n{built.size:,} subscribers on {built.vendor}, a letter to {built.told['frozen']:,}, "
            f"{times} times each: ms until the whole page is here, CPU in ms a page"
        )
        common.say(f"  {'':<36}{'median':>8}{'p95':>8}{'worst':>8}{'desk':>8}{'server':>8}{'KB':>7}")
        found = {
            name: ask(browser, built, desk, name, question, min(times, OPENED) if name in OPENING else times)
            for name, question in QUESTIONS.items()
        }
    slowest = max(found, key=lambda name: found[name])
    return common.Target(f"{built.vendor}, p95 of {slowest}", found[slowest], MILLISECONDS, "ms")


def ask(browser: "Browser", built: Built, desk: int, name: str, question: "Question", times: int) -> float:
    """Prints one line; the p95 in ms."""
    chance = random.Random(name)
    size = 0
    desk_before = common.cpu_of(desk)
    server_before = common.cpu_of_tree(built.server) if built.server else 0.0
    found = []
    for _ in range(times):
        path, form = question(built.told, chance)
        begun = time.perf_counter()
        size = browser.ask(path, form)
        found.append((time.perf_counter() - begun) * 1000)
    cpu = (common.cpu_of(desk) - desk_before) / times * 1000
    server = ((common.cpu_of_tree(built.server) - server_before) if built.server else 0.0) / times * 1000
    found.sort()
    p95 = found[max(0, -(-len(found) * 95 // 100) - 1)]
    figures = f"{common.median(found):>8.1f}{p95:>8.1f}{found[-1]:>8.1f}{cpu:>8.1f}{server:>8.1f}{size / 1024:>7.1f}"
    common.say(f"  {name:<36}{figures}")
    return p95


# What is known of the house, chance -> (path below /o/<slug>/, form to post or None).
Question = Callable[[dict[str, Any], random.Random], tuple[str, dict[str, str] | None]]


def _listed(filters: str) -> Question:
    """A page of subscribers somewhere in the list; {tag:NAME} and {list} are filled in."""

    def question(told: dict[str, Any], chance: random.Random) -> tuple[str, None]:
        filled = re.sub(r"\{tag:([^}]+)\}", lambda found: str(told["tags"][found[1]]), filters)
        filled = filled.replace("{list}", str(told["list"]))
        filled = filled.replace("{before}", str(chance.randrange(1, told["highest"])))
        return f"subscribers/?{filled}", None

    return question


# These open subscribers, of whom nobody sees more than 30 in a minute (audience/read_limits.py).
OPENING = {"subscribers, a whole address", "one subscriber", "one subscriber, edit", "one subscriber, rights"}
OPENED = 7


def _at(path: str) -> Question:
    return lambda told, _chance: (path.format(**told), None)


def _search(told: dict[str, Any], chance: random.Random) -> tuple[str, dict[str, str]]:
    """A whole address; every fourth is of nobody."""
    known = chance.random() < 0.75
    return "subscribers/", {"q": chance.choice(told["addresses"]) if known else "nobody@nowhere.example"}


def _one(told: dict[str, Any], chance: random.Random) -> tuple[str, None]:
    return f"subscribers/{chance.choice(told['numbers'])}/", None


def _of_one(path: str) -> Question:
    return lambda told, chance: (path.format(number=chance.choice(told["numbers"])), None)


def _compared(told: dict[str, Any], _chance: random.Random) -> tuple[str, None]:
    """The letter to everybody beside five of the smaller ones, which were made just before it."""
    return "campaigns/compare?" + urlencode([("c", told["finished"] - back) for back in range(6)]), None


QUESTIONS: dict[str, Question] = {
    "home": _at(""),
    "subscribers": _listed(""),
    "subscribers, deep": _listed("before={before}"),
    "subscribers, a list": _listed("list={list}&before={before}"),
    "subscribers, unsubscribed": _listed("status=unsubscribed&before={before}"),
    "subscribers, nonsubscribed": _listed("status=nonsubscribed"),
    "subscribers, a tag": _listed("tag={tag:volunteer}&before={before}"),
    "subscribers, a tag of few": _listed("tag={tag:circle}"),
    "subscribers, a tag and nonsubscribed": _listed("tag={tag:monthly}&status=nonsubscribed&before={before}"),
    "subscribers, the last rows of a tag": _listed("tag={tag:volunteer}&status=cleaned&before=900"),
    "subscribers, a mailbox": _listed("provider=gmail&before={before}"),
    "subscribers, a language of nobody": _listed("language=xx&before={before}"),
    "subscribers, list, status, mailbox, tag": _listed(
        "list={list}&status=unsubscribed&provider=yandex&tag={tag:monthly}&before={before}"
    ),
    "subscribers, suppressed": _listed("suppressed=any&before={before}"),
    "subscribers, complained": _listed("suppressed=complaint"),
    "subscribers, imported in one month": _listed("source=import&since=2026-01-01&until=2026-01-31&before={before}"),
    "subscribers, came by a form": _listed("source=form"),
    "stop list": _at("subscribers/suppressions"),
    "typos and doubles": _at("subscribers/data-quality"),
    "growth of a year": _at("lists/growth?days=365"),
    "subscribers, a whole address": _search,
    "one subscriber": _one,
    "one subscriber, edit": _of_one("subscribers/{number}/edit"),
    "one subscriber, rights": _of_one("privacy/subscribers/{number}/"),
    "lists": _at("lists/"),
    "one list": _at("lists/{list}/"),
    "tags": _at("tags/"),
    "fields": _at("fields/"),
    "segments": _at("segments/"),
    "a new segment": _at("segments/new"),
    "sign-up forms": _at("forms/"),
    "exports": _at("exports/"),
    "imports": _at("imports/"),
    "bulk changes": _at("subscribers/bulk/history"),
    "rights": _at("privacy/"),
    "what a list keeps": _at("privacy/lists/{list}/retention"),
    "asking again": _at("privacy/lists/{list}/reconsent"),
    "record of processing": _at("privacy/record"),
    "privacy notice": _at("privacy/notice"),
    "breaches": _at("privacy/breaches/"),
    "campaigns": _at("campaigns/"),
    "campaigns, finished": _at("campaigns/?show=finished"),
    "campaigns, search": _at("campaigns/?q=court"),
    "calendar": _at("campaigns/calendar"),
    "compare six letters": _compared,
    "a draft": _at("campaigns/{draft}/"),
    "a draft, look": _at("campaigns/{draft}/preview"),
    "a draft, who gets it": _at("campaigns/{draft}/send"),
    "a draft, versions": _at("campaigns/{draft}/versions"),
    "templates": _at("templates/"),
    "pictures": _at("media/"),
    "report of a finished letter": _at("campaigns/{finished}/report"),
    "report of the letter under way": _at("campaigns/{under_way}/report"),
    "its live part": _at("campaigns/{under_way}/live"),
    "routes": _at("routes/"),
    "settings": _at("settings/"),
}


class Browser:
    """One kept connection with cookies: what a page costs, not what connecting does."""

    def __init__(self, port: int, slug: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self._cookies: dict[str, str] = {}
        self._base = f"/o/{slug}/"

    def sign_in(self) -> None:
        self._request("GET", "/sign-in")
        status, _page = self._request("POST", "/sign-in", {"email": ADMIN, "password": PASSWORD})
        if status != 302 or "desk" not in self._cookies:
            raise SystemExit(f"Signing in was answered with {status}.")

    def ask(self, path: str, form: dict[str, str] | None) -> int:
        """Bytes of the page. A look-up that finds a subscriber answers with the way to their page."""
        status, page = self._request("POST" if form else "GET", self._base + path, form)
        if status not in ((200, 302) if form else (200,)):
            raise SystemExit(f"{path} was answered with {status}.")
        return len(page)

    def _request(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, bytes]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        body = None
        if form:
            body = urlencode({**form, "csrfmiddlewaretoken": self._cookies["csrftoken"]})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        page = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status, page


@contextlib.contextmanager
def serving(built: Built, sink: int) -> Iterator[tuple[int, int]]:
    """`samizdat serve` over the house, its routes leading to the sink: (port, process of the desk)."""
    ourselves(built.environment, START_SECONDS, "--lead", str(sink))
    ports = common.free_port(), common.free_port()
    words = ("serve", "--port", str(ports[0]), "--public-port", str(ports[1]))
    process = common.child(
        "samizdat.cli",
        *words,
        env=built.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        common.wait_for_port(ports[0], START_SECONDS)
        desk = desk_of(process.pid)
        settle(process.pid)
        yield ports[0], desk
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def settle(supervisor: int) -> None:
    """Waits until all children have started: for a second in which the tree uses less than a tenth of a core."""
    end, before = time.monotonic() + START_SECONDS, common.cpu_of_tree(supervisor)
    while time.monotonic() < end:
        time.sleep(1)
        after = common.cpu_of_tree(supervisor)
        if after - before < 0.1:
            return
        before = after


def desk_of(supervisor: int) -> int:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        for process in common.tree(supervisor):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process}/comm").read_text() == "samizdat-desk\n":
                    return process
        time.sleep(0.1)
    raise SystemExit("The desk was not started.")


def lead(port: int) -> int:
    """Points the routes to today's sink."""
    from samizdat.cli import bootstrap

    bootstrap.open_house()
    from samizdat.delivery.actions import change_route, resume_route
    from samizdat.delivery.models import Route

    for route in Route.objects.select_related("organization").all():
        change_route(route, url=f"smtp+plain://127.0.0.1:{port}", now=now())
        resume_route(route, now=now())
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        sys.exit(build(int(sys.argv[2]), Path(sys.argv[3])))
    if sys.argv[1:2] == ["--lead"]:
        sys.exit(lead(int(sys.argv[2])))
    sys.exit(main())
