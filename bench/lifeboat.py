"""A million subscribers with ten campaigns: backed up in full, after a night, and restored.

python -m bench lifeboat [--people 1000000] [--campaigns 10] [--beside] [--only sqlite|postgresql]

Ten campaigns are ten million deliveries. In the night 1 % of the subscribers have changed, spread over all of them:
their encrypted row, their subscription, and a new consent record. `samizdat backup` and `samizdat restore` are run as
somebody would run them; memory is that of all their processes together, and the database server's is not in it.
Restored is from the command until the page on which one signs in answers.

--beside: a campaign to everybody goes out meanwhile, with backups as the worker makes them, and by turns without; only
how much slower it goes is measured. The mail server takes 12 ms for each answer, as one on another host would.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bench import common

PEOPLE, CAMPAIGNS = 1_000_000, 10
SLICE = 50_000
# Seconds, bytes of rows, MB.
FULL, NIGHT, RESTORED, SIZE, MEMORY = 60, 10, 90, 1.2, 300
# %, and seconds: an answer of the mail server, how long the campaign is looked at without a backup; how often both.
SLOWER, LATENCY, ALONE, TURNS = 10, 0.012, 15.0, 5


@dataclass(frozen=True, slots=True)
class Run:
    """What a command took: seconds, CPU seconds of all its processes, MB of them together at most, and its document."""

    seconds: float
    cpu: float
    memory: float
    document: dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench lifeboat", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--back-up", metavar="DATA", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    if options.back_up:
        return back_up(Path(options.back_up))
    common.keep_bytecode()
    what = measure_beside if options.beside else measure
    return common.on_each_database(options, "bench.lifeboat", lambda data: what(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.db import connection

    furnish(options.people, options.campaigns)
    rows = live_bytes()
    place = data.parent / "backups"
    place.mkdir()
    full = command("backup", "--to", str(place))
    nothing = command("backup", "--to", str(place), "--changes")
    change(options.people // 100)
    night = command("backup", "--to", str(place), "--changes")
    restored = restore(data, place)
    share = full.document["bytes"] / rows
    size = f"{full.document['rows']:,} rows, {rows / 1e6:,.0f} MB of rows"
    common.say(f"{connection.vendor}, {options.people:,} subscribers, {size}")
    for name, run in (("full", full), ("nothing new", nothing), ("1 % changed", night), ("restored", restored)):
        written = f"{run.document.get('written_bytes', 0) / 1e6:,.0f} MB written" if name != "restored" else ""
        common.say(
            f"  {name + ':':<14}{run.seconds:6.1f} s, CPU {run.cpu:6.1f} s, memory {run.memory:4.0f} MB, {written}"
        )
    return common.conclude(
        [
            common.Target("full copy", full.seconds, FULL, "s"),
            common.Target("bytes of a full copy by those of the rows", share, SIZE, "times"),
            common.Target("a night with 1 % changed", night.seconds, NIGHT, "s"),
            common.Target("memory of a backup", max(full.memory, night.memory), MEMORY, "MB"),
            common.Target("restored, until pages answer", restored.seconds, RESTORED, "s"),
        ]
    )


def measure_beside(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.db import connection

    from bench.letters import Bench
    from bench.sender import Sender
    from tests.smtp_server import ScriptedServer

    bench = Bench(options.people)
    (data.parent / "backups").mkdir()
    alone, beside, seconds = list[float](), list[float](), list[float]()
    with ScriptedServer(keep_content=False, latency=LATENCY) as server:
        bench.only_route(server.port, 8)
        bench.campaign(rows=1)
        sender = Sender(data)
        sender.go()
        while len(server.messages) < 1000:
            time.sleep(0.1)
        for _ in range(TURNS):
            alone.append(_rate(server, lambda: time.sleep(ALONE))[0])
            rate, took = _rate(server, lambda: _back_up_whole(data))
            beside.append(rate)
            seconds.append(took)
        if len(server.messages) >= options.people:
            raise SystemExit("The campaign was over before it was measured: more subscribers are needed.")
        sender.end()
    slower = 100 * (1 - common.median(beside) / common.median(alone))
    common.say(
        f"{connection.vendor}, {options.people:,} subscribers: {common.spread(alone)} emails a second alone, "
        f"{common.spread(beside)} beside a backup, which takes {common.spread(seconds, 1)} s"
    )
    return common.conclude([common.Target("a campaign beside a backup, slower", slower, SLOWER, "%")])


def _rate(server: Any, meanwhile: Callable[[], object]) -> tuple[float, float]:
    """Messages a second, and the seconds."""
    before, begun = len(server.messages), time.monotonic()
    meanwhile()
    took = time.monotonic() - begun
    return (len(server.messages) - before) / took, took


def _back_up_whole(data: Path) -> None:
    """Each time to a new folder, so that all is written."""
    process = common.child("bench.lifeboat", "--back-up", str(data))
    if process.wait():
        raise SystemExit("The backup failed.")


def back_up(data: Path) -> int:
    """As the worker does it: with one process that reads."""
    common.reopen_data(data)
    from samizdat import plugins
    from samizdat.backup import writing
    from samizdat.publicdb import sqlite_file
    from samizdat.worker.schedule.backups import JOBS

    folder = data.parent / "backups" / secrets.token_hex(8)
    folder.mkdir()
    place = plugins.open_place(folder.as_uri(), "")
    writing.write_copy(place, databases=sqlite_file.readable_databases(), now=datetime.now(UTC), jobs=JOBS)
    return 0


def command(*words: str, **environment: str) -> Run:
    process = common.child("samizdat.cli", *words, "--json", stdout=subprocess.PIPE, env={**os.environ, **environment})
    memory, stop = [0.0], threading.Event()

    def look() -> None:
        while not stop.wait(0.25):
            memory.append(common.memory_of_tree(process.pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    begun = time.monotonic()
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    stop.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"samizdat {words[0]} failed: {text}")
    return Run(seconds, used.ru_utime + used.ru_stime, max(memory), json.loads(text))


def restore(data: Path, place: Path) -> Run:
    """Into a new data folder and database, until its first page is there."""
    new, key = data.with_name("new"), str(data.with_name(data.name + ".key"))
    environment = {"SAMIZDAT_DATA": str(new), "SAMIZDAT_KEY_FILE": str(data.with_name("new.key"))}
    if url := os.environ.get("DATABASE_URL"):
        environment["DATABASE_URL"] = _empty_database(url)
    run = command("restore", str(place), "--key-file", key, **environment)
    port, public = common.free_port(), common.free_port()
    begun = time.monotonic()
    served = common.child(
        "samizdat.cli", "serve", "--port", str(port), "--public-port", str(public), env={**os.environ, **environment}
    )
    try:
        while not _answers(port):
            if served.poll() is not None or time.monotonic() - begun > 120:
                raise SystemExit("The restored installation does not answer.")
            time.sleep(0.1)
        started = time.monotonic() - begun
    finally:
        served.terminate()
        served.wait()
    return Run(run.seconds + started, run.cpu, run.memory, run.document)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _empty_database(url: str) -> str:
    import psycopg

    parts = urlsplit(url)
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {parts.path[1:]}_restored")  # type: ignore[call-overload]
    return urlunsplit(parts._replace(path=f"{parts.path}_restored"))


# -- rows --------------------------------------------------------------------------------------------------------------


def furnish(people: int, campaigns: int) -> None:
    """Written past the models: imports and sends of this size would take longer than what is measured."""
    from django.db import connections

    from samizdat.accounts.actions import found_organization
    from samizdat.audience.actions import new_list
    from samizdat.campaigns.models import Campaign, Edition
    from samizdat.vault import keyring

    now = datetime.now(UTC)
    organization = found_organization(
        "Nordlicht", source=keyring.open_source(), today=now.date(), public_url="https://nordlicht.example"
    )
    letters = new_list(organization, "Rundbrief", now=now)
    editions = []
    for number in range(1, campaigns + 1):
        campaign = Campaign.objects.create(
            organization=organization, list=letters, draft_sealed=secrets.token_bytes(40_000), created=now, changed=now,
            state="finished", frozen=people, accepted=people, released=now, finished=now,
        )  # fmt: skip
        editions.append(
            Edition.objects.create(
                id=number, campaign=campaign, organization=organization, compiled_sealed=secrets.token_bytes(60_000),
                details_sealed=secrets.token_bytes(4_000), link_key=1, message_id_domain="nordlicht.example",
                archive_slug=f"letter-{number}", created=now,
            ).pk
        )  # fmt: skip
    connections.close_all()
    day = now.date().isoformat()
    insert("Subscriber", _subscribers(organization.id, people, day))
    insert("Subscription", _subscriptions(organization.id, letters.pk, people, day))
    insert("ConsentRecord", _records(organization.id, letters.pk, 1, people, day))
    for edition in editions:
        insert("Delivery", ((edition, number, 2, 1, 250, None, day) for number in range(1, people + 1)))
        insert("Chunk", _chunks(edition, people))


def _subscribers(organization: int, people: int, day: str) -> Iterator[tuple[Any, ...]]:
    """As an import with eight fields leaves them: some 400 bytes sealed."""
    for number in range(1, people + 1):
        sealed, index = secrets.token_bytes(400), secrets.token_bytes(16)
        yield organization << 40 | number, organization, sealed, index, 1, number % 5, "de", day, 1


def _subscriptions(organization: int, letters: int, people: int, day: str) -> Iterator[tuple[Any, ...]]:
    for number in range(1, people + 1):
        yield organization << 40 | number, letters, 1, 1, 2, day, None, 0, 0


def _records(organization: int, letters: int, first: int, people: int, day: str) -> Iterator[tuple[Any, ...]]:
    for number in range(1, people + 1):
        sealed, digest, mac, link = (secrets.token_bytes(size) for size in (95, 32, 16, 32))
        person = organization << 40 | number
        yield first + number, organization, person, letters, 1, 0, 1, day, sealed, digest, mac, first + number, link


def _chunks(edition: int, people: int) -> Iterator[tuple[Any, ...]]:
    for position in range(people // 500):
        yield edition, position, 500, 0, secrets.token_bytes(1500), secrets.token_bytes(80), 0, 0, 0, 2


COLUMNS = {
    "Subscriber": "id organization_id sealed email_index index_version provider language joined source",
    "Subscription": "subscriber_id list_id status mail_verdict fundraising_verdict since paused frequency digest_turn",
    "ConsentRecord": (
        "id organization_id subscriber_id list_id kind purpose channel day sealed digest mac position link"
    ),
    "Delivery": "edition_id number state answer code route_id day",
    "Chunk": "edition_id position size remaining numbers digest_sealed retry variant wave state",
}


def insert(name: str, rows: Iterator[tuple[Any, ...]]) -> None:
    from django.apps import apps
    from django.db import connection

    from samizdat.backup.reading import where
    from samizdat.backup.targets import open_target

    (model,) = [model for model in apps.get_models() if model.__name__ == name]
    with closing(open_target(*where("default"), [])) as target:
        while some := list(islice(rows, SLICE)):
            if connection.vendor == "sqlite":
                target.execute("BEGIN")
            target.insert(model._meta.db_table, COLUMNS[name].split(), some)
            if connection.vendor == "sqlite":
                target.execute("COMMIT")


def change(people: int) -> None:
    """What a night does to so many subscribers, who are spread over all."""
    from django.db import connection, transaction

    from samizdat.accounts.models import Organization
    from samizdat.audience.models import ConsentRecord, List

    organization, letters = Organization.objects.get(), List.objects.get()
    numbers = range(1, people * 100, 100)
    persons = [organization.id << 40 | number for number in numbers]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE audience_subscriber SET sealed = %s WHERE id = %s",
            [(secrets.token_bytes(400), person) for person in persons],
        )
        cursor.executemany(
            "UPDATE audience_subscription SET status = 2, mail_verdict = 3 WHERE subscriber_id = %s",
            [(person,) for person in persons],
        )
    first = ConsentRecord.objects.order_by("-id").values_list("id", flat=True)[0]
    day = datetime.now(UTC).date().isoformat()
    connection.close()
    insert("ConsentRecord", _records(organization.id, letters.pk, first, people, day))


def live_bytes() -> int:
    """Of all rows, as the database stores them, without indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 't') AND oid > 16383"
            )
        else:
            cursor.execute(
                "SELECT sum(payload) FROM dbstat WHERE aggregate = 1 AND name IN "
                "(SELECT name FROM sqlite_schema WHERE type = 'table')"
            )
        size = int(cursor.fetchone()[0] or 0)
    connection.close()
    return size


if __name__ == "__main__":
    sys.exit(main())
