"""A real name server, Knot DNS (apt-get install knot), on loopback: what it serves is in zone files, as anywhere."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import dns.exception
import dns.message
import dns.query
import dns.rdataclass
import dns.rrset

from tests.incoming.mail_servers import PATHS, until
from tests.ports import free_port

SOA = "@ 60 SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ 60 NS ns.example.\n"


def why_not() -> str:
    """Why it can't be asked here; "" where it can."""
    return "" if shutil.which("knotd", path=PATHS) else "Knot DNS is not installed: apt-get install knot"


class Knot:
    """records: name -> TXT values. hosts: (name, type) -> values of A, AAAA, MX, NS and PTR. zones: which it has; each
    name stands in the closest. For names outside of them it refuses to answer, and for those of `failing`, zones whose
    file can't be loaded, it answers that it failed."""

    def __init__(
        self,
        records: Mapping[str, Sequence[str]],
        hosts: Mapping[tuple[str, str], Sequence[str]],
        zones: Iterable[str],
        failing: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host, self.port = host, port or free_port()
        self._files = dict.fromkeys(zones, SOA)
        self._failing = {*failing}
        # "a" "b": strings of at most 255 characters, which are read as one.
        texts = {(name, "TXT"): [*map(_strings, values)] for name, values in records.items()}
        for (name, kind), values in {**texts, **hosts}.items():
            self._write(name, kind, values)

    @property
    def place(self) -> str:
        """For SAMIZDAT_DNS."""
        return f"{self.host}:{self.port}"

    def _write(self, name: str, kind: str, values: Sequence[str]) -> None:
        if not values:
            return
        zone = max((zone for zone in self._files if f".{name}".endswith(f".{zone}")), key=len)
        rows = dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, values)
        self._files[zone] += f"{rows.to_text()}\n"

    def __enter__(self) -> Self:
        # Its socket's name may have at most 107 characters, so not the folder of a test.
        self._folder = Path(tempfile.mkdtemp(prefix="knot"))
        for zone, text in self._files.items():
            self._folder.joinpath(f"{zone}.zone").write_text("broken\n" if zone in self._failing else text)
        config = self._folder / "knot.conf"
        domains = "".join(f"  - domain: {zone}\n" for zone in self._files)
        config.write_text(CONFIG.format(folder=self._folder, host=self.host, port=self.port, domains=domains))
        command = [shutil.which("knotd", path=PATHS) or "knotd", "-c", str(config)]
        with self._folder.joinpath("log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(self._answers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.kill()
        self._process.wait(30)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._folder.joinpath("log").read_text()
        try:
            query = dns.message.make_query(next(zone for zone in self._files if zone not in self._failing), "SOA")
            return bool(dns.query.udp(query, self.host, 0.5, self.port).answer)
        except (dns.exception.DNSException, OSError):
            return False

    def pause(self) -> None:
        """From now on it answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)


def _strings(text: str) -> str:
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


CONFIG = """server:
  rundir: "{folder}"
  listen: {host}@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}"
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
    zonefile-sync: -1
    journal-content: none
zone:
{domains}"""
