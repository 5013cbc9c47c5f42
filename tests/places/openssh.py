"""OpenSSH's own server, as the user who runs the tests."""

import contextlib
import getpass
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.test import find_tool
from tests.places.fakes import OnDisk, silent_server
from tests.ports import free_port

needs_sshd = pytest.mark.skipif(not find_tool("sshd"), reason="needs OpenSSH (apt-get install openssh-server)")


@dataclass
class SshServer:
    """OpenSSH's, for the one user who runs the tests. `fingerprint`: of its ed25519 key."""

    port: int
    fingerprint: str
    private_key: str
    user: str


def ssh_key(path: Path, kind: str = "ed25519") -> str:
    """A new pair; the fingerprint."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


@contextlib.contextmanager
def openssh(folder: Path) -> Iterator[SshServer]:
    folder.mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # Where root's gives up its rights.
    fingerprint = ssh_key(folder / "host")
    ssh_key(folder / "host-rsa", "rsa")
    ssh_key(folder / "user")
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nHostKey {folder}/host-rsa\n"
        f"PidFile none\nAuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nSubsystem sftp internal-sftp\nLogLevel INFO\n"
    )
    command = [find_tool("sshd"), "-D", "-e", "-f", str(folder / "config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            assert any("Server listening" in line for line in iter(server.stderr.readline, ""))
            reader = threading.Thread(target=server.stderr.read, daemon=True)
            reader.start()
            yield SshServer(port, fingerprint, (folder / "user").read_text(), getpass.getuser())
        finally:
            server.terminate()
            server.wait()
            reader.join()


class FakeSftp(OnDisk):
    scheme = "sftp"

    def __init__(self, root: Path, cleaning: contextlib.ExitStack, server: SshServer) -> None:
        super().__init__(root, cleaning)
        self.server, self.secret = server, server.private_key
        self.url = self.at(server.port)

    def at(self, port: int, timeout: float = 30) -> str:
        key = self.server.fingerprint
        return f"sftp://{self.server.user}@127.0.0.1:{port}{self.root}?host_key={key}&timeout={timeout}"

    @classmethod
    def start(cls, tmp_path: Path, cleaning: contextlib.ExitStack) -> "FakeSftp":
        if not find_tool("sshd"):
            pytest.skip("needs OpenSSH (apt-get install openssh-server)")
        return cls(tmp_path / "place", cleaning, cleaning.enter_context(openssh(tmp_path / "sshd")))

    def silent(self) -> str:
        return self.at(self.cleaning.enter_context(silent_server()), timeout=0.2)
