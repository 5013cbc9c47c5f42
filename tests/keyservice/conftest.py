"""A key service in a folder, and its program on a port of this machine."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.core.crypto import fingerprint, passphrase, seal
from samizdat.core.crypto.key_service import STATE, KnownClient, Pairing, ServiceState
from samizdat.core.crypto.passphrase import Cost
from samizdat.keyservice import certificates
from samizdat.keyservice.store import AUTHORITY, KEY, SERVICE, ServiceStore, utc_now
from samizdat.vault.sources.key_service import PairedService
from tests.ports import free_port

WORDS = "correct horse battery staple"
KEY_BYTES = hashlib.sha256(b"an instance key").digest()
ROOT = Path(__file__).parent.parent.parent


class Host:
    """The host of a key service."""

    def __init__(self, folder: Path, key: bytes = KEY_BYTES, days: int = 30, seconds: float = 60) -> None:
        self.folder, self.port = folder, free_port()
        self.store = ServiceStore(folder / "service")
        self.address = f"127.0.0.1:{self.port}"
        self.mark = fingerprint.text(seal.derive(key, fingerprint.PURPOSE))
        now = utc_now().replace(microsecond=0)
        authority = certificates.authority(now)
        wrapped = passphrase.WrappedKey.wrap(key, WORDS, self.mark, bytes(16), bytes(12), Cost(64, 1, 1))
        files = {
            KEY: wrapped.text,
            AUTHORITY: authority,
            SERVICE: certificates.service(authority, "127.0.0.1", now),
        }
        state = ServiceState(STATE, self.mark, self.address, "", now, now, now, days, seconds)
        folder.mkdir(exist_ok=True)
        self.store.make(state, files, now)
        self.words = folder / "passphrase"
        self.words.write_text(WORDS)
        self.words.chmod(0o600)
        self.program: subprocess.Popen[bytes] | None = None

    def pair(self, name: str = "newsletter", **known: Any) -> Path:
        """Errors as of whoever reads it."""
        now = utc_now()
        pem, digest = certificates.client(self.store.pem(AUTHORITY), name, now)
        with self.store.changing(now, "server_added", name) as change:
            change.set(servers=[*change.state.servers, KnownClient(name, digest, now, **known)])
        service = certificates.digest_of(self.store.pem(SERVICE))
        path = self.folder / f"{name}.pairing"
        path.write_text(Pairing(self.mark, name, "127.0.0.1", self.port, service, pem).text)
        path.chmod(0o600)
        return path

    def paired(self, name: str = "newsletter", **known: Any) -> PairedService:
        return PairedService.paired(self.pair(name, **known))

    def start(self) -> None:
        """Returns once it answers."""
        command = [sys.executable, "-m", "samizdat.cli", "keyservice", "serve", "--listen", self.address]
        said = (self.folder / "said").open("wb")
        self.program = subprocess.Popen(command, env=self.environment, cwd=ROOT, stderr=said)
        deadline = time.monotonic() + 120
        while b"answers at" not in (self.folder / "said").read_bytes():
            assert self.program.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def end(self) -> None:
        if self.program is not None:
            self.program.terminate()
            self.program.wait(60)
            self.program = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT_")},
            "PYTHONPATH": str(ROOT),
            "SAMIZDAT_KEYSERVICE_FOLDER": str(self.store.folder),
            "SAMIZDAT_PASSPHRASE_FILE": str(self.words),
        }

    def __call__(self, *words: str, code: int = 0) -> str:
        """A command on the host; what it says."""
        command = [sys.executable, "-m", "samizdat.cli", "keyservice", *words]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "host")
    yield made
    made.end()


@pytest.fixture
def running(host: Host) -> Host:
    host.start()
    return host
