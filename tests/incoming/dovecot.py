"""A real Dovecot on loopback, with TLS and a folder of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smtp_server import Certificate, Certificates

DOVECOT = shutil.which("dovecot", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def why_not() -> str:
    """Why it cannot be asked here; "" where it can."""
    if not DOVECOT or not all(Path("/usr/lib/dovecot", name).exists() for name in ("imap", "pop3")):
        return "Dovecot is not installed: apt-get install dovecot-imapd dovecot-pop3d"
    if os.geteuid() != 0:
        return "Dovecot starts its workers as root alone"
    version = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
    return "" if version.startswith("2.4.") else f"its configuration is that of Dovecot 2.4, and here is {version}"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Dovecot:
    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.folder, self.certificate = folder, certificate
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3s")}
        # Its workers run as somebody else, who has to get through.
        folder.chmod(0o711)
        for name in ("mail", "home"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        for name in ("cur", "new", "tmp"):
            (folder / "mail" / name).mkdir()
            (folder / "mail" / name).chmod(0o777)
        self.start()

    def start(self) -> None:
        config = self.folder / "dovecot.conf"
        values = {"pem": self.certificate.file, "key": self.certificate.key, **self.ports}
        config.write_text(CONFIG.format(folder=self.folder, **values))
        assert DOVECOT is not None
        # By the machine's own clock: its workers forget a moved one (./run test --clock), and sign-ins seem too old.
        own = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", str(config)], env=own)
        end = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports["imap"]), 1) as connection:
                return connection.recv(4) == b"* OK"
        except OSError:
            return False

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def deliver(self, raw: bytes, name: str = "INBOX") -> None:
        self.count = getattr(self, "count", 0) + 1
        folder = self.folder / "mail" / ("" if name == "INBOX" else f".{name}")
        path = folder / "tmp" / f"{1_700_000_000 + self.count}.M{self.count}P1.host"
        path.write_bytes(raw)
        shutil.chown(path, "nobody", "nogroup")
        path.rename(folder / "new" / path.name)

    def messages(self, name: str = "INBOX") -> list[bytes]:
        folder = self.folder / "mail" / ("" if name == "INBOX" else f".{name}")
        while True:
            paths = [path for part in ("new", "cur") for path in (folder / part).glob("*")]
            try:
                return [path.read_bytes() for path in sorted(paths, key=lambda path: path.name)]
            except FileNotFoundError:  # Moved meanwhile.
                continue

    def url(self, scheme: str, options: str, folder: str = "") -> str:
        return f"{scheme}://bounces%40lantern.example:secret@localhost:{self.ports[scheme]}/{folder}?{options}"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    # Not below tmp_path: its workers are nobody's, and another run of pytest shuts that to all but root.
    with tempfile.TemporaryDirectory(prefix="dovecot-") as folder:
        running = Dovecot(Path(folder), certificates.issued("localhost"))
        try:
            yield running
        finally:
            running.end()


CONFIG = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_server_cert_file = {pem}
ssl_server_key_file = {key}
auth_allow_cleartext = yes
auth_failure_delay = 0
mailbox_idle_check_interval = 1 s
mail_driver = maildir
mail_path = {folder}/mail
mail_home = {folder}/home
mail_uid = nobody
mail_gid = nogroup
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
passdb static {{
  password = secret
}}
userdb static {{
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""
