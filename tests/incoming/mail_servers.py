"""A real Postfix, Exim or OpenSMTPD as an organization's relay, and an installation whose bounces it hands over.

Their configuration is what docs/bounces.md says, with other folders and ports. Each runs in a view of the machine of
its own, in which its folders below /etc and /var are those of the test. All other mail goes to one fake MX.
"""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from tests.ports import free_port
from tests.smtp_server import ScriptedServer

type Handover = Literal["pipe", "lmtp", "socket"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "bounces.md"
HOST = "bounces.lantern.example"
READERS = "readers.example"
USER, GROUP = "nobody", "nogroup"
SOCKET = "/srv/samizdat/lmtp.sock"
# Paths of servers that only root's PATH has.
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin"


@dataclass(frozen=True)
class Ports:
    """relay: where the mail server listens; mx: of the mailbox provider; lmtp: of our listener."""

    relay: int
    mx: int
    lmtp: int


class MailServer:
    """One that is installed here. `folder` is its own, and `installation` that of Samizdat."""

    name: ClassVar[str]
    program: ClassVar[str]
    package: ClassVar[str]
    listing: ClassVar[str]  # Prints a line for each message that waits in its queue.
    retry: ClassVar[str]  # Tries all of them at once.

    def __init__(self, folder: Path, installation: Path, ports: Ports, handover: Handover) -> None:
        self.folder, self.installation, self.ports, self.handover = folder, installation, ports, handover
        self.log = folder / "log"

    @classmethod
    def path(cls) -> str | None:
        return shutil.which(cls.program, path=PATHS)

    def documented(self) -> list[str]:
        """The blocks below its heading in docs/bounces.md, or what its line of one of the LMTP tables has."""
        text = DOCS.read_text()
        if self.handover == "pipe":
            section = re.split(r"\n##", text.partition(f"### {self.name}\n")[2])[0]
            blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
        else:
            place = "2424" if self.handover == "lmtp" else SOCKET
            [row] = [line for line in text.splitlines() if line.startswith(f"| {self.name}") and place in line]
            blocks = [block for block in re.findall(r"`([^`]+)`", row) if block != "main.cf"]
        return [self._moved(block) for block in blocks]

    def _moved(self, block: str) -> str:
        """With the folders, the user and the port of the test."""
        block = block.replace("/opt/samizdat/run", str(ROOT / "run"))
        for folder in ("data", "lmtp.sock"):
            block = block.replace(f"/srv/samizdat/{folder}", str(self.installation / folder))
        block = block.replace("2424", str(self.ports.lmtp))
        return re.sub(r'(user ?=? ?|"@" = ")samizdat', rf"\g<1>{USER}", block)

    def mounts(self) -> list[tuple[Path, str]]:
        """(folder of the test, where the server looks for it)"""
        raise NotImplementedError

    def command(self) -> str:
        """Runs in the foreground."""
        raise NotImplementedError

    def configure(self) -> None:
        raise NotImplementedError

    def _subfolder(self, name: str, user: str = "root", group: str = "root", mode: int = 0o755) -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        shutil.chown(path, user, group)
        return path

    @contextmanager
    def running(self) -> Iterator[None]:
        self.configure()
        lines = [f"mount --bind {source} {target}" for source, target in self.mounts()]
        script = " && ".join([*lines, f"exec {self.command()}"])
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        with (self.folder / "output").open("w") as output:
            process = subprocess.Popen(unshare, stdout=output, stderr=output, start_new_session=True)
        try:
            until(lambda: self.answers(process))
            self._view = process.pid
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def run(self, command: str) -> str:
        """What a command prints that sees the folders that the server sees."""
        words = ("nsenter", "--mount", "--root", f"--target={self._view}", "sh", "-c", f"cd /; {command}")
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def count_waiting(self) -> int:
        return len(self.run(self.listing).splitlines())

    def answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.words()
        try:
            with socket.create_connection(("127.0.0.1", self.ports.relay), 1) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def words(self) -> str:
        """The end of what it wrote, for a test that fails."""
        files = [path for path in (self.folder / "output", self.log) if path.exists()]
        return "\n".join(path.read_text(errors="replace")[-3_000:] for path in files)


class Postfix(MailServer):
    name, program, package = "Postfix", "postfix", "postfix"
    listing, retry = "postqueue -j", "postqueue -f"

    def mounts(self) -> list[tuple[Path, str]]:
        return [
            (self.folder / "etc", "/etc/postfix"),
            (self.folder / "spool", "/var/spool/postfix"),
            (self.folder / "lib", "/var/lib/postfix"),
        ]

    def command(self) -> str:
        return "postfix start-fg"

    def configure(self) -> None:
        etc = self.folder / "etc"
        shutil.copytree("/etc/postfix", etc, symlinks=True)
        self._subfolder("spool")
        self._subfolder("lib", "postfix", "postfix")
        main = self.documented()
        commands = [block for block in main if block.startswith("postconf ")]
        lines = "\n".join(main[:1] if self.handover == "pipe" else [line for line in main if line not in commands])
        etc.joinpath("main.cf").write_text(POSTFIX.format(log=self.log, mx=self.ports.mx) + lines + "\n")
        master = (etc / "master.cf").read_text()
        master = re.sub(r"^smtp +inet .*$", f"127.0.0.1:{self.ports.relay} inet n - n - - smtpd", master, flags=re.M)
        etc.joinpath("master.cf").write_text(master + "\n" + (main[1] if self.handover == "pipe" else ""))
        for command in commands:
            subprocess.run(command.replace("postconf", f"postconf -c {etc}"), shell=True, check=True)


POSTFIX = """compatibility_level = 3.6
myhostname = relay.example
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
relayhost = [127.0.0.1]:{mx}
maillog_file = {log}
maillog_file_prefixes = /
"""


class Exim(MailServer):
    name, program, package = "Exim", "exim4", "exim4-daemon-light"
    listing, retry = "exim4 -bpr | grep '<' || true", "exim4 -qff"

    def mounts(self) -> list[tuple[Path, str]]:
        return [(self.folder / "etc", "/etc/exim4"), (self.folder / "spool", "/var/spool/exim4")]

    def command(self) -> str:
        return "exim4 -bdf -q5s"

    def configure(self) -> None:
        self._subfolder("etc")
        self._subfolder("spool", "Debian-exim", "Debian-exim")
        self.log = self._subfolder("logs", "Debian-exim", "Debian-exim") / "main"
        router, transport = self._router_and_transport()
        text = EXIM.format(logs=self.folder / "logs", relay=self.ports.relay, mx=self.ports.mx)
        text = text.replace("#ROUTER", router).replace("#TRANSPORT", transport)
        (self.folder / "etc" / "exim4.conf").write_text(text)

    def _router_and_transport(self) -> tuple[str, str]:
        pipe = Exim(self.folder, self.installation, self.ports, "pipe")
        router, _, transport = pipe.documented()[0].partition("\n\n")
        if self.handover == "pipe":
            return router, transport
        changed, name, *options = self.documented()
        return re.sub("transport = .*", changed, router), "\n  ".join([name, *options])


EXIM = """primary_hostname = relay.example
domainlist relay_to_domains = bounces.lantern.example
acl_smtp_rcpt = accept
acl_smtp_data = accept
local_interfaces = 127.0.0.1
daemon_smtp_ports = {relay}
queue_run_max = 4
tls_advertise_hosts =
keep_environment =
log_file_path = {logs}/%s
begin routers
#ROUTER
out:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
#TRANSPORT
out:
  driver = smtp
  port = {mx}
  allow_localhost
begin retry
* * F,2h,1m
"""


class OpenSmtpd(MailServer):
    name, program, package = "OpenSMTPD", "smtpd", "opensmtpd"
    listing, retry = "smtpctl show queue", "smtpctl schedule all"

    def mounts(self) -> list[tuple[Path, str]]:
        return [(self.folder / "spool", "/var/spool"), (self.folder / "run", "/run")]

    def command(self) -> str:
        return f"smtpd -d -f {self.folder / 'smtpd.conf'}"

    def configure(self) -> None:
        self._subfolder("spool")
        self._subfolder("spool/smtpd", mode=0o711)
        self._subfolder("run")
        (self.folder / "smtpd.conf").write_text(
            f"listen on 127.0.0.1 port {self.ports.relay}\n"
            f'action "out" relay host smtp://127.0.0.1:{self.ports.mx}\n'
            + "\n".join(self.documented())
            + '\nmatch from any for any action "out"\n'
        )


SERVERS: tuple[type[MailServer], ...] = (Postfix, Exim, OpenSmtpd)


def why_not(server: type[MailServer]) -> str:
    """Why it can't be asked here; "" where it can."""
    if server.path() is None:
        return f"{server.name} is not installed: apt-get install {server.package}"
    if os.geteuid() != 0:
        return f"{server.name} starts as root alone"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        return f"{server.name} can't have a view of the machine of its own here"
    return ""


def until(holds: Callable[[], Any], seconds: float = 240.0) -> None:
    end, pause = time.monotonic() + seconds, 0.02
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


class Installation:
    """Samizdat as another user runs it, with `serve`, on SQLite."""

    def __init__(self, folder: Path, ports: Ports, handover: Handover) -> None:
        self.folder, self.ports, self.handover = folder, ports, handover
        shutil.chown(folder, USER, GROUP)
        folder.chmod(0o711)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = {**kept, "HOME": str(folder), "SAMIZDAT_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)}
        self._listens = {"lmtp": f"127.0.0.1:{ports.lmtp}", "socket": f"unix:{folder / 'lmtp.sock'}"}.get(handover)

    def commands(self, *lines: tuple[str, ...]) -> list[str]:
        """What each of these commands of samizdat prints. One process for all of them: it starts once."""
        return list(self._python(COMMANDS, *map(json.dumps, lines)))

    def _python(self, code: str, *words: str) -> Any:
        """What code prints as JSON."""
        words = (str(ROOT / ".venv" / "bin" / "python"), "-c", code, *words)
        done = subprocess.run(words, **self._how(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def _how(self) -> dict[str, Any]:
        return {
            "cwd": self.folder,
            "env": self.environment,
            "user": USER,
            "group": GROUP,
            "extra_groups": [],
        }

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        shutil.chown(path, USER, GROUP)
        return str(path)

    def set_up(self, addresses: list[str]) -> None:
        password = self.file("password", "a lamp in the north\n")
        who = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example")
        rows = self.file("readers.csv", "\n".join(["Email Address", *addresses]) + "\n")
        self.file("letter.md", "# News\n\nHello. [Read](https://lantern.example/a)\n")
        self.commands(("init", *who, "--password-file", password, "--url", "https://lantern.example"))
        self.commands(
            ("organization", "set", "--return-address", f"@{HOST}", "--postal-address", "1 Lamp Street"),
            ("list", "new", "Readers"),
            ("import", rows, "--list", "Readers", "--status", "subscribed", "--yes"),
            ("route", "add", "relay", f"smtp+plain://127.0.0.1:{self.ports.relay}"),
        )

    @contextmanager
    def serving(self, *, takes_mail: bool = True) -> Iterator[None]:
        how = self._how()
        if takes_mail and self._listens:
            how["env"] = self.environment | {"SAMIZDAT_LMTP": self._listens}
        with (self.folder / "serve.log").open("a") as log:
            ports = ("--port", str(free_port()), "--public-port", str(free_port()))
            process = subprocess.Popen([ROOT / "run", "serve", *ports], **how, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)

    def send(self, number: int) -> dict[str, Any]:
        """Campaign `number` to everybody who may be written to, until it has ended; its status."""
        about = ("--subject", f"News {number}", "--from", "Lantern <news@lantern.example>")
        body = ("--body", str(self.folder / "letter.md"))
        self.commands(
            ("campaign", "new", "--list", "Readers", *about, *body),
            ("campaign", "send", str(number), "--yes"),
        )
        until(lambda: self.rows(f"SELECT 1 FROM campaigns_campaign WHERE id = {number} AND state = 'finished'"), 1_800)
        [printed] = self.commands(("campaign", "status", str(number), "--json"))
        status: dict[str, Any] = json.loads(printed)
        return status

    def rows(self, query: str) -> list[Any]:
        file = self.folder / "data" / "samizdat.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(query).fetchall()

    def count_suppressed(self) -> int:
        [(count,)] = self.rows("SELECT count(*) FROM audience_suppression WHERE reason = 'bounce'")
        return int(count)

    def suppressed(self) -> set[str]:
        """Addresses on the suppression list."""
        return set(self._python(SUPPRESSED))


COMMANDS = """
import contextlib, io, json, sys
from samizdat.cli.__main__ import samizdat
printed = []
for line in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        samizdat(json.loads(line), standalone_mode=False)
    printed.append(out.getvalue())
print(json.dumps(printed))
"""
SUPPRESSED = """
import json
from samizdat.cli.bootstrap import open_house
open_house()
from samizdat.audience.models import Subscriber, Suppression
from samizdat.audience.queries import address_of
indexes = {bytes(row.email_index) for row in Suppression.objects.all()}
rows = Subscriber.objects.select_related("organization")
print(json.dumps([address_of(row) for row in rows if bytes(row.email_index) in indexes]))
"""


@dataclass(frozen=True)
class Outcome:
    """Of two campaigns by a relay. `waited` is from the end of the first to the last suppression."""

    first: dict[str, Any]
    second: dict[str, Any]
    suppressed: int
    living_suppressed: int
    tried_again: int
    delivered_again: int
    waited: timedelta
    reports: dict[str, Any]


@dataclass(frozen=True)
class Relayed:
    """An installation with `people` on its list, of whom `gone` are dead, and the mail server by which it sends."""

    installation: Installation
    relay: MailServer
    mx: ScriptedServer
    people: int
    gone: set[str]


@contextmanager
def relayed(server: type[MailServer], handover: Handover, people: int, dead: int) -> Iterator[Relayed]:
    addresses = [f"reader{number}@{READERS}" for number in range(1, people + 1)]
    gone = set(addresses[:: people // dead][:dead])
    with tempfile.TemporaryDirectory() as name, ScriptedServer() as mx:
        mx.keep_content = False
        mx.on("rcpt", "550 5.1.1 No such user here", when=lambda moment: moment.recipient in gone)
        folder = Path(name)
        folder.chmod(0o711)
        for part in ("server", "installation"):
            (folder / part).mkdir()
        ports = Ports(free_port(), mx.port, free_port())
        relay = server(folder / "server", folder / "installation", ports, handover)
        installation = Installation(folder / "installation", ports, handover)
        with relay.running():
            try:
                installation.set_up(addresses)
                yield Relayed(installation, relay, mx, people, gone)
            except AssertionError as error:
                error.add_note(relay.words())
                raise


def two_campaigns(server: type[MailServer], handover: Handover, people: int, dead: int) -> Outcome:
    """The first one meets `dead` addresses of `people`, which the second one should leave out."""
    with relayed(server, handover, people, dead) as sent:
        return _two_campaigns(sent.installation, sent.mx, people, sent.gone)


def _two_campaigns(installation: Installation, mx: ScriptedServer, people: int, gone: set[str]) -> Outcome:
    with installation.serving():
        first = installation.send(1)
        began = time.monotonic()
        until(lambda: installation.count_suppressed() >= len(gone), 1_200)
        waited = timedelta(seconds=time.monotonic() - began)
        until(lambda: _delivered(mx) >= people - len(gone), 1_200)
        mx.messages.clear()
        mx.commands.clear()
        second = installation.send(2)
        until(lambda: _delivered(mx) >= people - len(gone), 1_200)
        suppressed = installation.suppressed()
        [reports] = installation.commands(("mail", "status", "--json"))
    tried = [
        line for line in mx.commands if line.startswith("RCPT") and line.partition("<")[2].partition(">")[0] in gone
    ]
    return Outcome(
        first,
        second,
        len(suppressed & gone),
        len(suppressed - gone),
        len(tried),
        _delivered(mx),
        waited,
        json.loads(reports),
    )


def campaign_while_no_mail_is_taken(sent: Relayed) -> tuple[int, int]:
    """(how many bounces wait in the mail server's queue, how many of them are there once mail is taken again)"""
    living = sent.people - len(sent.gone)
    with sent.installation.serving(takes_mail=False):
        sent.installation.send(1)
        until(lambda: _delivered(sent.mx) >= living)
        until(lambda: sent.relay.count_waiting() == len(sent.gone))
    kept = sent.relay.count_waiting()
    with sent.installation.serving():
        until(lambda: sent.relay.run(sent.relay.retry) is not None and not sent.relay.count_waiting())
        until(lambda: sent.installation.count_suppressed() >= len(sent.gone))
        return kept, len(sent.installation.suppressed() & sent.gone)


def _delivered(mx: ScriptedServer) -> int:
    """Messages to readers: an admin gets some as well."""
    return sum(message.recipient.endswith(f"@{READERS}") for message in list(mx.messages))
