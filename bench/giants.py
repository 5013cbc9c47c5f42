"""Messages that nobody would write, each sent alone to a running installation: what each costs until it is read.

python -m bench giants [--doors imap,lmtp,pipe] [--only sqlite|postgresql]

A message of 50 MB, one of 10,000 parts and one of 1,000 levels are to be counted as unreadable; a bounce that returns a
message of 30 MB, and a letter of 9.9 MB, are read. By IMAP from a real Dovecot over TLS, by LMTP to the listener, and
by `samizdat mail take` as a mail server's pipe starts it. CPU is that of all processes of the installation and of
PostgreSQL, less what they take in the same time with nothing to do; what a pipe takes, from starting Python on, is
printed beside it. Memory is by how much they grow together meanwhile (PSS, looked at 30 times a second). Dovecot and
the sender are not counted.
"""

import argparse
import contextlib
import os
import resource
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import common, journeys, mailbox
from tests.incoming.dovecot import Dovecot, why_not
from tests.incoming.giants import HEAD, fifty_megabytes, ten_thousand_parts, thousand_levels
from tests.smtp_server import Certificates

# Seconds of CPU and MB of one message.
CPU, MEMORY = 1.0, 150.0
LINE = b"x" * 76 + b"\r\n"
TO = "bounces@lantern.example"
# Seconds until a running installation has nothing more to do, for which it is looked at then, and until one is read.
SETTLED, IDLE, PATIENCE = 20.0, 30.0, 120.0
# Looks at the memory, from one question to the database to the next.
LOOKS = 6
PREPARE = f"""
from samizdat.accounts.actions import change_settings
change_settings(o, by=None, now=now, return_address={TO!r})
"""


def large_bounce() -> bytes:
    returned = b"--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: News\r\n\r\n" + LINE * (30_000_000 // 78)
    return mailbox.MESSAGE.format(number=1).encode().replace(b"--b1--", returned + b"--b1--")


def letter() -> bytes:
    return HEAD + b"\r\nDear editors\r\n" + LINE * (9_900_000 // 78)


# Name -> what makes it, and whether it is unreadable.
GIANTS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "50 MB": (fifty_megabytes, True),
    "a bounce of 30 MB": (large_bounce, False),
    "9.9 MB": (letter, False),
    "10,000 parts": (ten_thousand_parts, True),
    "1,000 levels": (thousand_levels, True),
}


@dataclass(slots=True)
class Installation:
    """One that is served, whose CPU and memory are looked at. `idle`: CPU seconds a second with nothing to do."""

    process: int
    server: int | None
    idle: float = 0.0

    def cpu(self) -> float:
        return common.cpu_of_tree(self.process) + common.database_cpu(self.server)

    def memory(self) -> float:
        return common.memory_of_tree(self.process)

    def look_at_idle(self) -> None:
        time.sleep(SETTLED)
        began, before = time.monotonic(), self.cpu()
        time.sleep(IDLE)
        self.idle = (self.cpu() - before) / (time.monotonic() - began)

    def cost(self, send: Callable[[], None]) -> tuple[float, float, float]:
        """CPU seconds and MB of a message until it is read, and CPU seconds of whoever brought it."""
        count, memory, brought = _read_so_far(), self.memory(), _cpu_of_children()
        began, before, most = time.monotonic(), self.cpu(), memory
        send()
        brought = _cpu_of_children() - brought
        while _read_so_far() == count:
            if time.monotonic() - began > PATIENCE:
                raise SystemExit("It was not read within two minutes.")
            for _look in range(LOOKS):
                most = max(most, self.memory())
                time.sleep(1 / 30)
        passed = time.monotonic() - began
        return max(self.cpu() - before - self.idle * passed, 0.0), most - memory, brought


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read_so_far() -> int:
    from samizdat.incoming.models import IncomingMail

    return IncomingMail.objects.exclude(state=IncomingMail.WAITING).count()


def _unreadable() -> int:
    from samizdat.incoming.models import IncomingMail

    return IncomingMail.objects.filter(state=IncomingMail.UNREADABLE).count()


@contextlib.contextmanager
def doors(folder: Path, names: list[str], port: int) -> Iterator[dict[str, Callable[[bytes], None]]]:
    """Name -> what hands a message over there."""

    def by_lmtp(raw: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", port) as session:
            session.sendmail("", TO, raw)

    def by_pipe(raw: bytes) -> None:
        words = [sys.executable, "-m", "samizdat.cli", "mail", "take", "--to", TO]
        subprocess.run(words, input=raw, check=True, capture_output=True)

    ways: dict[str, Callable[[bytes], None]] = {"lmtp": by_lmtp, "pipe": by_pipe}
    with contextlib.ExitStack() as stack:
        if "imap" in names:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dovecot-")))
            dovecot = Dovecot(place, Certificates(folder).issued("localhost"))
            stack.callback(dovecot.end)
            url = dovecot.url("imaps", f"fingerprint={dovecot.certificate.fingerprint}")
            journeys.inside(ADD.format(url=url))
            ways["imap"] = dovecot.deliver
        yield {name: ways[name] for name in names}


ADD = """
from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.incoming.mailboxes import actions
actions.add(Organization.objects.get(), "bounces", {url!r}, now=dbclock.now())
print("{{}}")
"""


def _targets(
    name: str,
    installation: Installation,
    send: Callable[[bytes], None],
    make: Callable[[], bytes],
    is_unreadable: bool,
) -> list[common.Target]:
    raw, before = make(), _unreadable()
    cpu, memory, brought = installation.cost(lambda: send(raw))
    common.say(f"{name}: {cpu:.2f} s and {memory:.0f} MB; who brought it {brought:.2f} s")
    return [
        common.Target(f"{name}: CPU", cpu, CPU, "s"),
        common.Target(f"{name}: memory", memory, MEMORY, "MB"),
        common.Target(f"{name}: not read as it should be", (_unreadable() - before) != is_unreadable, 0, ""),
    ]


def measure(folder: Path, vendor: str, names: list[str]) -> int:
    port, targets = common.free_port(), list[common.Target]()
    os.environ["SAMIZDAT_LMTP"] = f"127.0.0.1:{port}"
    with journeys.served(folder, f"exec({journeys.MAKE!r}); exec({PREPARE!r})") as site:
        common.reopen_data(folder / "house")
        installation = Installation(site.process, common.postmaster())
        with doors(folder, names, port) as ways:
            installation.look_at_idle()
            common.say(f"{vendor}: with nothing to do {installation.idle:.3f} s of CPU a second")
            for door, send in ways.items():
                for name, giant in GIANTS.items():
                    targets += _targets(f"{vendor}, {door}, {name}", installation, send, *giant)
                    time.sleep(SETTLED / 4)
    return common.conclude(targets)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench giants", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--doors", default="imap,lmtp,pipe", help="by which ways, with commas between them")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    names = options.doors.split(",")
    if "imap" in names and (reason := why_not()):
        raise SystemExit(reason)
    return common.on_each_database(options, "bench.giants", lambda data: measure(data.parent, options.only, names))


if __name__ == "__main__":
    sys.exit(main())
