"""What a copied disk, a backup or an image of memory says of 10,000 people who were imported, mailed and wrote back.

python -m bench traces [--people 10000] [--candidates 1000000] [--only sqlite|postgresql]

An installation with its own file system (ext4 in a file, mounted by loop) takes in an import, sends, gets bounces,
replies, complaints and sign-ups, loses some subscribers and writes a backup. Then the memory of the public process is
copied, everything is killed, and these are searched for every address and name: each file of the volume (database and
log files, journals, streams, backup, temporary files, PostgreSQL's cluster), every value of every table, the memory,
and the volume block by block, with the blocks of files that were deleted. Searched is as in tests/sealed/searching.py:
in every spelling, and inside of what can be unpacked. The key file lies elsewhere.

So that the search isn't blind, other words are put on the volume for it to find: one in zstd, one in a file that is
deleted. Then so many candidates, all subscribers among them, are hashed in all usual ways without a key, and looked for
in every short value; and with the index key, which has to name exactly the subscribers.

Without the right to mount, the volume is a folder, and its image is made from it: without deleted blocks.
"""

import argparse
import contextlib
import csv
import json
import mmap
import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from itertools import batched
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import common
from bench.drill import Server, wait_for
from bench.pages import cluster
from samizdat.core.crypto import seal
from tests.sealed import memory
from tests.sealed.digests import GUESSES, keyed_marks, plain_marks, windows
from tests.sealed.searching import Searcher, postgresql_values, sqlite_values
from tests.smtp_server import Caught, ScriptedServer

PEOPLE, CANDIDATES = 10_000, 1_000_000
# Each stands in every address, name or sentence of its kind, and nowhere else.
LOCAL, DOMAIN, FIRST, SENTENCE = "kittiwake", "ptarmigan", "Wrenfeather", "pochardess"
WORDS = (LOCAL, DOMAIN, FIRST, SENTENCE)
# What has to be found: in a file in zstd, and in blocks of a file that was deleted.
PACKED, DELETED = "bluethroat", "sanderling"
# One in so many is refused while it is sent, for good or for the moment; and so many of each other kind.
EACH_REFUSED = 100
BOUNCED, REPLIED, COMPLAINED, LEFT, SIGNED_UP, FAILED = 100, 40, 20, 200, 40, 40
OUR_BOUNCES, OUR_MAILBOX = "bounces@lantern.example", "news@lantern.example"
VOLUME_BYTES = 3 << 30
# What is searched in one go, and as much of the next one with it.
PIECE, OVERLAP = 16 << 20, 1 << 20
# Seconds after the last request at which memory is looked at.
QUIET = 15.0
FORM = "application/x-www-form-urlencoded"
_EMPTY = re.compile(rb"\0{17,}")


def address(number: int) -> str:
    return f"{LOCAL}.{number}@{DOMAIN}{number % 23}.example"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench traces", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    common.keep_bytecode()
    vendors = [options.only] if options.only else common.VENDORS
    return max([measure(vendor, options.people, max(options.people, options.candidates)) for vendor in vendors])


def measure(vendor: str, people: int, candidates: int) -> int:
    with tempfile.TemporaryDirectory(prefix="samizdat-traces-") as root, contextlib.ExitStack() as stack:
        volume = Volume(Path(root))
        Path(root).chmod(0o711)  # PostgreSQL runs as another user and has to get through.
        stack.enter_context(volume)
        life = stack.enter_context(lived(volume, vendor, people))
        taken = life.seize(Path(root))
        volume.end()
        return judge(vendor, taken, volume, people, candidates)


# -- the volume --------------------------------------------------------------------------------------------------------


class Volume:
    """A file system of our own; path is the folder where it is."""

    def __init__(self, root: Path) -> None:
        self.path, self.image = root / "volume", root / "volume.img"
        self.is_mounted = False
        self.has_deleted = False  # Whether blocks of deleted files are in the image.

    def __enter__(self) -> "Volume":
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(VOLUME_BYTES)
        _run("mkfs.ext4", "-q", "-F", self.image)
        mounted = subprocess.run(["mount", "-o", "loop", self.image, self.path], check=False, capture_output=True)
        self.is_mounted = self.has_deleted = mounted.returncode == 0
        self.path.chmod(0o711)
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """All of it is in the image."""
        if self.is_mounted:
            _run("umount", self.path)
            self.is_mounted = False
            return
        if not any(self.path.iterdir()):
            return
        self.image.unlink(missing_ok=True)
        _run("mkfs.ext4", "-q", "-F", "-d", self.path, self.image, str(VOLUME_BYTES >> 10))


def _run(*words: str | Path) -> None:
    subprocess.run([common.tool(str(words[0])), *map(str, words[1:])], check=True, stdout=subprocess.DEVNULL)


# -- what happens ------------------------------------------------------------------------------------------------------


@dataclass
class Taken:
    """What is searched: files by what they are, all values of all tables, and what a search with the key needs."""

    files: dict[str, list[Path]]
    values: list[bytes]
    index_key: bytes
    seen: dict[str, Any]


@dataclass
class Life:
    """An installation that people live with. `seen` counts what came of it."""

    server: Server
    volume: Volume
    people: int
    postmaster: int | None
    lmtp: int = 0
    seen: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        common.say(f"  {name:<40} {time.monotonic() - began:7.1f} s")

    def live(self) -> None:
        with self.step("set up and import"):
            slug = self.set_up()
        self.server.serve()
        with self.step("send"):
            self.send()
        with self.step("leave, bounce, reply, sign up"):
            self.leave()
            self.write_back()
            self.sign_up(slug)
            wait_for(self.all_is_followed_up)
        with self.step("backup"):
            self.server.say("backup")

    def set_up(self) -> str:
        say, elsewhere = self.server.say, self.volume.path.parent
        password = elsewhere / "password"
        password.write_text("four unrelated words here")
        password.chmod(0o600)
        words = ("--organization", "Northern Lantern", "--admin", f"{LOCAL}.admin@{DOMAIN}.example")
        say("init", *words, "--password-file", str(password), "--url", "http://127.0.0.1:1")
        mail = ("--return-address", OUR_BOUNCES, "--unsubscribe-mailbox", OUR_MAILBOX)
        say("organization", "set", "--postal-address", "1 Quay", *mail)
        say("list", "new", "Letter")
        form = say("form", "new", "Join", "--list", "Letter", "--words", "I want the letter.")
        self.bring_in(elsewhere / "people.csv")
        say("route", "add", "first", self.server.relay.url, "--connections", "10")
        (elsewhere / "letter.md").write_text("# Hello\n\nThe [story](https://lantern.example/story) is here.\n")
        sender = ("--from", "Lantern <letter@lantern.example>", "--subject", "News")
        say("campaign", "new", "--list", "Letter", *sender, "--body", str(elsewhere / "letter.md"))
        (self.volume.path / "place").mkdir()
        say("backup", "place", "add", str(self.volume.path / "place"))
        return str(form["slug"])

    def bring_in(self, path: Path) -> None:
        """From elsewhere, twice: the second time with other words for everybody, so that rows are written over."""
        for time_ in range(2):
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["Email", "First name", "Notes"])
                writer.writerows(
                    [address(number), f"{FIRST} {number}", f"{SENTENCE} {time_}"] for number in range(self.people)
                )
            done = self.server.say("import", str(path), "--list", "Letter", "--status", "subscribed")
            self.seen[f"import {time_ + 1}"] = done["added"] + done["updated"]
        path.unlink()

    def send(self) -> None:
        """Through a server that repeats the address in what it refuses."""
        relay = self.server.relay
        refused = range(0, self.people, EACH_REFUSED)
        for number in refused:
            code = "450 4.2.1" if number % (5 * EACH_REFUSED) == 0 else "550 5.1.1"
            relay.on("rcpt", f"{code} <{address(number)}>: not here", recipient=address(number))
        self.server.say("campaign", "send", "1")
        wait_for(lambda: self.status()["pending"] == 0 and len(self.sent()) >= self.people - len(refused))
        self.seen["sent"] = len(self.sent())

    def status(self) -> dict[str, Any]:
        return self.server.say("campaign", "status", "1")

    def sent(self) -> list[Caught]:
        return [caught for caught in list(self.server.relay.messages) if b"Subject: News" in caught.content]

    def leave(self) -> None:
        for caught in self.sent()[:LEFT]:
            text = caught.content.replace(b"\r\n ", b" ")
            link = re.search(rb"(?im)^list-unsubscribe:.*?<(http[^>]+)>", text)
            assert link is not None
            self.ask(urlsplit(link[1].decode()).path, b"List-Unsubscribe=One-Click")

    def write_back(self) -> None:
        last = self.sent()[LEFT:]
        with smtplib.LMTP("127.0.0.1", self.lmtp) as session:
            for number, caught in enumerate(last[: BOUNCED + REPLIED + COMPLAINED]):
                if number < BOUNCED:
                    raw, to = bounce(caught), caught.sender
                elif number < BOUNCED + REPLIED:
                    raw, to = reply(caught), OUR_MAILBOX
                else:
                    raw, to = complaint(caught), OUR_BOUNCES
                session.sendmail(caught.recipient, to, raw)

    def sign_up(self, slug: str) -> None:
        for number in range(SIGNED_UP):
            words = {"email": f"{LOCAL}.new{number}@{DOMAIN}.example"}
            page = self.ask(f"/f/{slug}", urlencode(words).encode())
            stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', page)
            assert stamp is not None
            self.ask(f"/f/{slug}", urlencode(words | {"stamp": stamp[1]}).encode())
        for number in range(FAILED):
            wrong = f"{LOCAL}.wrong{number}@{DOMAIN}.example"
            self.ask(f"/f/{wrong}?email={wrong}", urlencode({"email": wrong}).encode())
            self.ask(f"/u/{wrong}", wrong.encode() * 1000)

    def ask(self, path: str, body: bytes) -> str:
        connection = HTTPConnection("127.0.0.1", self.server.ports[1], timeout=60)
        try:
            connection.request("POST", path, body, {"Content-Type": FORM})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def all_is_followed_up(self) -> bool:
        heard, left = self.server.say("mail", "status"), self.count("unsubscribed")
        asked = [caught for caught in list(self.server.relay.messages) if f"{LOCAL}.new" in caught.recipient]
        self.seen |= {"reports": heard["reports"], "left": left, "asked": len(asked)}
        return (
            heard["waiting"] == 0
            and heard["reports"].get("hard", 0) >= BOUNCED
            and heard["reports"].get("reply", 0) >= REPLIED
            and heard["reports"].get("complaint", 0) >= COMPLAINED
            and left >= LEFT
            and len(asked) >= SIGNED_UP
        )

    def count(self, status: str) -> int:
        return int(self.server.say("subscribers", "count", "--list", "Letter", "--status", status)["count"])

    def seize(self, root: Path) -> Taken:
        """Power off: nobody tidies up, logs and journals stay as they are."""
        self.hide_words()
        index_key = bytes.fromhex(inside(self.server, INDEX_KEY))
        assert self.server.process is not None
        (public,) = (pid for pid in common.tree(self.server.process.pid) if _name(pid) == "samizdat-public")
        time.sleep(QUIET)
        image = core(public, root / "core")
        self.server.kill()
        url = self.server.database_url
        if url:
            values = postgresql_values(url)
            assert self.postmaster is not None
            for pid in common.tree(self.postmaster):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            shutil.copytree(self.server.folder / "data", root / "copy", ignore=shutil.ignore_patterns("*.sock"))
            values = [value for path in (root / "copy").rglob("*.sqlite3") for value in sqlite_values(path)]
        os.sync()
        shutil.copytree(self.volume.path, root / "files", ignore=_sockets)
        (root / "values").write_bytes(b"\n".join(values))
        files = {"memory of the public process": [image], "values of all tables": [root / "values"]}
        for path in sorted((root / "files").rglob("*")):
            if path.is_file():
                files.setdefault(_kind(path.relative_to(root / "files")), []).append(path)
        return Taken(files, values, index_key, self.seen)

    def hide_words(self) -> None:
        """What the search has to find."""
        plain = self.volume.path / "plain"
        plain.write_text(f"{DELETED} was here\n" * 1000)
        os.sync()
        plain.unlink()
        text = f"{PACKED} is here\n".encode() * 100
        (self.volume.path / "packed.zst").write_bytes(_zstd(text))


def _zstd(data: bytes) -> bytes:
    from tests.sealed.searching import zstd

    return bytes(zstd.compress(data))


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()]


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _kind(path: Path) -> str:
    """What a file of the volume is."""
    if path.parts[0] == "house":
        inside = path.parts[1:]
        if inside[0] == "data" and "journals" in path.parts:
            return "journals"
        if inside[0] == "data":
            return "log files of SQLite" if path.name.endswith(("-wal", "-shm")) else "data folder"
        return "streams of all processes" if path.name == "streams.txt" else "temporary files"
    return {"place": "backup", "postgresql": "cluster of PostgreSQL"}.get(path.parts[0], "other files")


def core(pid: int, path: Path) -> Path:
    """As `gcore` writes it, where it is installed; else whatever of its memory can be read."""
    if common.has_tool("gcore"):
        words = [common.tool("gcore"), "-o", str(path), str(pid)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return path.with_name(f"{path.name}.{pid}")
    path.write_bytes(b"".join(memory.mappings(pid).values()))
    return path


INDEX_KEY = """
from samizdat.cli.bootstrap import open_house; open_house()
from samizdat.accounts.models import Organization
from samizdat.vault import keyring
keys = keyring.keys(Organization.objects.get())
print(keys.index[keys.index_version].hex())
"""


def inside(server: Server, code: str) -> str:
    """Runs code as a command would; what it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextlib.contextmanager
def lived(volume: Volume, vendor: str, people: int) -> Iterator[Life]:
    root = volume.path.parent
    house = volume.path / "house"
    for path in (house, house / "tmp"):
        path.mkdir()
    with contextlib.ExitStack() as stack:
        url, postmaster = "", None
        if vendor == "postgresql":
            (volume.path / "postgresql").mkdir(mode=0o711)
            url, postmaster = stack.enter_context(cluster(volume.path / "postgresql"))
        lmtp = common.free_port()
        os.environ |= {"TMPDIR": str(house / "tmp"), "SAMIZDAT_LMTP": f"127.0.0.1:{lmtp}"}
        server = HouseServer(house, url, stack.enter_context(ScriptedServer()), key_file=root / "data.key")
        stack.callback(server.kill)
        common.say(f"{vendor}, {people:,} people, {'ext4 by loop' if volume.is_mounted else 'a folder'}")
        life = Life(server, volume, people, postmaster, lmtp)
        life.live()
        yield life


@dataclass
class HouseServer(Server):
    """Whose key file lies elsewhere."""

    key_file: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"SAMIZDAT_KEY_FILE": str(self.key_file)}


def bounce(caught: Caught) -> bytes:
    """As Postfix reports it (RFC 3464)."""
    words = f"550 5.1.1 <{caught.recipient}>: {SENTENCE} {FIRST} has left"
    return f"""From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: {caught.sender}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

<{caught.recipient}>: host mx.example[192.0.2.1] said: {words}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; {caught.recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; {words}

--b1--
""".replace("\n", "\r\n").encode()


def reply(caught: Caught) -> bytes:
    name = caught.recipient.partition("@")[0]
    return f"""From: {FIRST} <{caught.recipient}>
To: {OUR_MAILBOX}
Subject: Re: News of {FIRST}
Message-ID: <{name}@{DOMAIN}.example>
Content-Type: text/plain; charset=utf-8

{SENTENCE}, says {FIRST}: please tell me more.
""".replace("\n", "\r\n").encode()


def complaint(caught: Caught) -> bytes:
    """As providers report it (RFC 5965), without a signature of theirs."""
    head = f"""From: feedback@provider.example
To: {OUR_BOUNCES}
Subject: complaint of {caught.recipient}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: {caught.recipient}

--b1
Content-Type: message/rfc822

"""
    return head.replace("\n", "\r\n").encode() + caught.content + b"\r\n--b1--\r\n"


# -- searching ---------------------------------------------------------------------------------------------------------


class QuickSearcher(Searcher):
    """In long stretches grep looks which patterns there are: ten times as fast."""

    def _patterns_that_may_be_in(self, held: bytes) -> Iterator[bytes]:
        if len(held) < OVERLAP or not common.has_tool("grep"):
            yield from super()._patterns_that_may_be_in(held)
            return
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\n".join(self._patterns) + b"\n")
            file.flush()
            words = [common.tool("grep"), "-oaUF", "-f", file.name]
            found = subprocess.run(words, input=held, capture_output=True, env={"LC_ALL": "C"}, check=False).stdout
        yield from {*found.split(b"\n")} & self._patterns.keys()


def search(place: tuple[Path, int]) -> list[str]:
    """Hits in one piece of a file."""
    path, start = place
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        held = _EMPTY.sub(bytes(16) + b"\n", mapped[start : start + PIECE + OVERLAP])
    return QuickSearcher([*WORDS, PACKED, DELETED]).hits(held) if len(held) > 32 else []


def pieces(path: Path) -> Iterator[tuple[Path, int]]:
    """Where a file has data: a volume is mostly holes."""
    size, at = path.stat().st_size, 0
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while at < size:
            try:
                data = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError:
                return
            at = max(at, data - data % PIECE)
            yield path, at
            at += PIECE
    finally:
        os.close(descriptor)


def search_all(files: dict[str, list[Path]]) -> dict[str, tuple[int, Counter[str]]]:
    """What kind -> (bytes, hits)."""
    found: dict[str, tuple[int, Counter[str]]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for kind, paths in files.items():
            places = [place for path in paths if path.stat().st_size for place in pieces(path)]
            hits = Counter(hit for each in pool.map(search, places, chunksize=1) for hit in each)
            found[kind] = sum(path.stat().st_size for path in paths), hits
    return found


# -- guessing ----------------------------------------------------------------------------------------------------------

_held: frozenset[bytes] = frozenset()


def candidate(number: int, people: int) -> str:
    return address(number) if number < people else f"stranger.{number}@mail{number % 50}.example"


def confirmed(numbers: Iterable[int], people: int) -> list[str]:
    """Those of whom a hash stands in a short value, without any key or with one that anybody may guess."""
    found = []
    for number in numbers:
        who = candidate(number, people)
        texts = (who.encode(), who.upper().encode(), f"{who}\n".encode())
        marks = {mark for text in texts for mark in plain_marks(text)} | {*keyed_marks(texts[0], GUESSES)}
        if not marks.isdisjoint(_held):
            found.append(who)
    return found


def guess(values: list[bytes], people: int, candidates: int) -> list[str]:
    global _held
    _held = frozenset(windows(values))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        work = pool.map(partial(confirmed, people=people), batched(range(candidates), 2_000))
        return [who for found in work for who in found]


def named_with_key(key: bytes, people: int, candidates: int) -> set[int]:
    return {number for number in range(candidates) if seal.blind(key, candidate(number, people)) in _held}


def judge(vendor: str, taken: Taken, volume: Volume, people: int, candidates: int) -> int:
    common.say(f"  seen: {json.dumps(taken.seen)}")
    began = time.monotonic()
    found = search_all(taken.files | {"volume, block by block": [volume.image]})
    for kind, (size, hits) in found.items():
        common.say(f"  {kind:<32} {size / 1e6:>9,.1f} MB  {len(taken.files.get(kind, [1])):>5} files  {dict(hits)}")
    common.say(f"  searched in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    guessed = guess(taken.values, people, candidates)
    named = named_with_key(taken.index_key, people, candidates)
    common.say(
        f"  {candidates:,} candidates against {len(_held):,} pieces of values in {time.monotonic() - began:.0f} s"
    )
    planted = [(kind, hit) for kind, (_size, hits) in found.items() for hit in hits.elements() if _is_ours(hit)]
    packed, deleted = (
        sum(hit.startswith(word) for _size, hits in found.values() for hit in hits) for word in (PACKED, DELETED)
    )
    return common.conclude(
        [
            common.Target(f"{vendor}: addresses, names, sentences", len(planted), 0, "hits"),
            common.Target(f"{vendor}: confirmed without the key", len(guessed), 0, "people"),
            common.Target(f"{vendor}: missed or made up with the key", len(named ^ {*range(people)}), 0, "people"),
            common.Target(f"{vendor}: the word in zstd", packed, 1, "hits", most=False),
            common.Target(
                f"{vendor}: the word in a deleted file", deleted, int(volume.has_deleted), "hits", most=False
            ),
        ]
    )


def _is_ours(hit: str) -> bool:
    return hit.startswith(WORDS)


if __name__ == "__main__":
    sys.exit(main())
