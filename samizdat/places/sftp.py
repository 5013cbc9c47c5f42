"""A folder of another server, over SSH.

The server is known by the fingerprint of its host key, which an admin has compared: before that, and for any other key,
nothing is sent, not even a password. A file gets its name by SFTP's own rename, which replaces no other file. Nothing
of the user's own SSH is read: no configuration, agent, keys or known hosts.
"""

import re
from typing import TYPE_CHECKING

from samizdat.places.base import BasePlace, PlaceError, PlaceSettings, read_server

if TYPE_CHECKING:
    from samizdat.places.ssh.session import SftpSession

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class SftpPlace(BasePlace):
    name = "sftp"
    scheme = "sftp"
    example = "sftp://user@backup.example.org:22/srv/samizdat"
    label = "A folder of another server over SSH; the secret is a password or a private key"
    known_options = {
        "host_key": "Fingerprint of the server’s host key (SHA256:…)",
        "timeout": "Longest wait for an answer, in seconds",
    }

    def __init__(self, settings: PlaceSettings) -> None:
        super().__init__(settings)
        server = read_server(settings.rest, self.example)
        self.user, self.host, self.port = server.user, server.host, server.port or 22
        # /~/x is below the folder that the user begins in.
        self.root = server.path.removeprefix("~/") if server.path.startswith("~/") else f"/{server.path}"
        self.host_key = settings.options.get("host_key", "")
        if self.host_key and not _FINGERPRINT.fullmatch(self.host_key):
            raise PlaceError("bad_host_key")
        if not settings.secret:
            raise PlaceError("no_secret")
        self._session: SftpSession | None = None

    @property
    def where(self) -> str:
        return f"{self.host}{'' if self.root.startswith('/') else '/~/'}{self.root}"

    def list_files(self, folder: str) -> list[tuple[str, int]]:
        return self._opened().list_files(folder)

    def fetch(self, name: str) -> bytes:
        return self._opened().fetch(name)

    def store(self, name: str, data: bytes) -> None:
        self._opened().store(name, data)

    def remove(self, name: str) -> None:
        self._opened().remove(name)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def _opened(self) -> "SftpSession":
        from samizdat.places.ssh.session import SftpSession

        self._session = self._session or SftpSession(self, self.user, self.host, self.port, self.root, self.host_key)
        return self._session
