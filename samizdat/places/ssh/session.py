"""Files of another server by SFTP, as asyncssh speaks it, in a loop of its own. It is loaded once it is used."""

import asyncio
import contextlib
import secrets
import stat
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from samizdat.places.base import ABANDONED, DRAFTS, LISTING, MOST, BasePlace, NotThere, PlaceError, connect

# A server has a key of each kind, and shows the one that is asked for: where it is not the confirmed one, the other
# kinds are asked for in turn.
_KEY_KINDS = (
    ["ssh-ed25519"],
    ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
    ["rsa-sha2-512", "rsa-sha2-256"],
)
_ALL_KINDS = [kind for kinds in _KEY_KINDS for kind in kinds]
# Bytes that are on their way at once; asyncssh cuts them into requests that don't wait for each other.
_PORTION = 1 << 19
_READ_ONLY = 1  # SSH2_FXE_STATVFS_ST_RDONLY of OpenSSH's PROTOCOL
# Folders that are read at once.
_FOLDERS = 16

_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)

asyncssh.set_log_level("WARNING")  # It would log each connection.


class SftpSession:
    """The files of a place, over connections that are opened when something is asked. host_key: fingerprint; "" before
    an admin has confirmed one. root: absolute, or from where the user begins."""

    def __init__(self, place: BasePlace, user: str, host: str, port: int, root: str, host_key: str) -> None:
        self._place = place
        self.user, self.host, self.port, self.root, self.host_key = user, host, port, root, host_key
        self._runner: asyncio.Runner | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._cleared = False
        self._known_folders: set[str] = set()

    def list_files(self, folder: str) -> list[tuple[str, int]]:
        return self._run(self._place.timeout * LISTING, lambda sftp: self._list(sftp, folder), "unreadable")

    def fetch(self, name: str) -> bytes:
        return self._run(self._place.limit(MOST), lambda sftp: self._fetch(sftp, name), "unreadable")

    def store(self, name: str, data: bytes) -> None:
        self._run(self._place.limit(len(data)), lambda sftp: self._store(sftp, name, data), "read_only", len(data))

    def remove(self, name: str) -> None:
        self._run(self._place.timeout, lambda sftp: self._remove(sftp, name), "read_only")

    def close(self) -> None:
        runner, connection = self._runner, self._connection
        self._forget()
        self._runner = None
        if runner is not None:
            if connection is not None:
                connection.abort()
            runner.close()

    # -- the same, with a connection --

    async def _list(self, sftp: asyncssh.SFTPClient, folder: str) -> list[tuple[str, int]]:
        files: list[tuple[str, int]] = []
        level = [folder]
        at_once = asyncio.Semaphore(_FOLDERS)

        async def look(below: str) -> list[str]:
            folders = []
            try:
                async with at_once:
                    entries = await self._soon(sftp.readdir(self._path(below)))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return []
            for entry in entries:
                name, mode = f"{below}/{entry.filename!s}".lstrip("/"), entry.attrs.permissions or 0
                if stat.S_ISREG(mode):
                    files.append((name, entry.attrs.size or 0))
                elif stat.S_ISDIR(mode) and not str(entry.filename).startswith("."):
                    folders.append(name)
            return folders

        while level:
            level = [name for names in await asyncio.gather(*map(look, level)) for name in names]
        return files

    async def _fetch(self, sftp: asyncssh.SFTPClient, name: str) -> bytes:
        content = await self._content(sftp, name)
        if content is None:
            raise NotThere(self._place.where, name)
        return content

    async def _content(self, sftp: asyncssh.SFTPClient, name: str) -> bytes | None:
        """None: nothing is there. Errors: PlaceError, when it is not as long as the server says, or too long."""
        try:
            file = await self._soon(sftp.open(self._path(name), "rb"))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None
        async with file:
            size = (await self._soon(file.stat())).size or 0
            portions, left = list[bytes](), size
            while 0 < left <= MOST and (portion := await self._soon(file.read(min(_PORTION, left)))):
                self._place.pace.wait(len(portion))
                assert isinstance(portion, bytes)
                portions.append(portion)
                left -= len(portion)
        if left:
            raise self._place.error("damaged", name=name)
        return b"".join(portions)

    async def _store(self, sftp: asyncssh.SFTPClient, name: str, data: bytes) -> None:
        if await self._is_there(sftp, name, data):
            return
        await self._make_folders(sftp, name)
        draft = f"{DRAFTS}/{secrets.token_hex(16)}"
        try:
            await self._write_draft(sftp, draft, name, data)
            try:
                await self._soon(sftp.rename(self._path(draft), self._path(name)))
            except asyncssh.SFTPError:
                if not await self._is_there(sftp, name, data):  # Another process was not first.
                    raise
                await self._soon(sftp.remove(self._path(draft)))
        except (asyncssh.SFTPError, PlaceError):
            self._known_folders.clear()
            with contextlib.suppress(asyncssh.SFTPError, TimeoutError):
                await self._soon(sftp.remove(self._path(draft)))
            raise

    async def _remove(self, sftp: asyncssh.SFTPClient, name: str) -> None:
        with contextlib.suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            await self._soon(sftp.remove(self._path(name)))

    async def _is_there(self, sftp: asyncssh.SFTPClient, name: str, data: bytes) -> bool:
        content = await self._content(sftp, name)
        if content is not None and content != data:
            raise self._place.error("other_content", name=name)
        return content is not None

    async def _make_folders(self, sftp: asyncssh.SFTPClient, name: str) -> None:
        parts = name.split("/")[:-1]
        for folder in (DRAFTS, *("/".join(parts[: end + 1]) for end in range(len(parts)))):
            if folder in self._known_folders:
                continue
            if not await self._soon(sftp.isdir(self._path(folder))):
                try:
                    await self._soon(sftp.mkdir(self._path(folder), asyncssh.SFTPAttrs(permissions=0o700)))
                except (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):
                    if not await self._soon(sftp.isdir(self._path(folder))):  # Another process was not first.
                        raise
            self._known_folders.add(folder)

    async def _write_draft(self, sftp: asyncssh.SFTPClient, draft: str, name: str, data: bytes) -> None:
        attributes = asyncssh.SFTPAttrs(permissions=0o600)
        async with await self._soon(sftp.open(self._path(draft), "xb", attributes)) as file:
            for portion in self._place.pace.portions(data, _PORTION):
                await self._soon(file.write(bytes(portion)))
            with contextlib.suppress(asyncssh.SFTPOpUnsupported):  # An extension of OpenSSH.
                await self._soon(file.fsync())
        status = await self._soon(sftp.stat(self._path(draft)))
        if status.size != len(data):
            raise self._place.error("not_kept", name=name)
        if not self._cleared:
            self._cleared = True
            await self._clear(sftp, status.mtime or 0)

    async def _clear(self, sftp: asyncssh.SFTPClient, now: float) -> None:
        """What killed processes left. now: by the server's clock."""
        with contextlib.suppress(asyncssh.SFTPError):
            for entry in await self._soon(sftp.readdir(self._path(DRAFTS))):
                if stat.S_ISREG(entry.attrs.permissions or 0) and now - (entry.attrs.mtime or now) > ABANDONED:
                    await self._soon(sftp.remove(self._path(f"{DRAFTS}/{entry.filename!s}")))

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root or "."

    # -- connections --

    async def _soon[Result](self, answer: Awaitable[Result]) -> Result:
        """Errors: TimeoutError."""
        async with asyncio.timeout(self._place.timeout):
            return await answer

    def _run[Result](
        self, seconds: float, work: Callable[[asyncssh.SFTPClient], Awaitable[Result]], denied: str, size: int = 0
    ) -> Result:
        """denied: code of "permission denied". size: bytes that are to be written. Errors: PlaceError, NotThere."""
        self._runner = self._runner or asyncio.Runner()
        used = self._sftp is not None
        try:
            return self._runner.run(self._connected(seconds, work))
        except TimeoutError:
            self.close()
            raise self._place.silent(self._place.timeout) from None
        except (OSError, asyncssh.Error) as error:
            if isinstance(error, asyncssh.SFTPError) and not isinstance(error, _LOST):
                raise self._error_of(error, denied, size) from None
            self.close()
            if used and not isinstance(error, asyncssh.PermissionDenied):  # It was closed while nothing was asked.
                return self._run(seconds, work, denied, size)
            raise self._place.refused(str(error) or type(error).__name__, "no_connection") from None

    async def _connected[Result](
        self, seconds: float, work: Callable[[asyncssh.SFTPClient], Awaitable[Result]]
    ) -> Result:
        async with asyncio.timeout(seconds):
            if self._sftp is None:
                self._sftp = await self._opened()
            return await work(self._sftp)

    async def _opened(self) -> asyncssh.SFTPClient:
        """Errors: PlaceError, asyncssh.Error, OSError."""

        self._connection = await self._known_server()
        sftp = await self._soon(self._connection.start_sftp_client())
        if not await self._soon(sftp.isdir(self._path(""))):
            raise self._place.error("missing")
        return sftp

    async def _known_server(self) -> asyncssh.SSHClientConnection:
        """A connection to the server whose host key an admin has confirmed."""
        options = self._login()
        shown: list[asyncssh.SSHKey] = []
        for kinds in (_ALL_KINDS, *_KEY_KINDS):
            if any(key.get_algorithm() in kinds for key in shown):
                continue
            plain = connect(self._place, self.host, self.port)
            plain.setblocking(False)
            client = _client(self.host_key, shown)
            try:
                return await self._soon(
                    asyncssh.connect(sock=plain, client_factory=client, server_host_key_algs=kinds, **options)
                )
            except asyncssh.PermissionDenied:
                raise self._place.error("bad_login") from None
            except (asyncssh.Error, OSError):
                if not shown:
                    raise  # Else it has no key of this kind, and hung up.
            if not self.host_key:
                break
        fingerprint = shown[0].get_fingerprint("sha256")
        code = "host_key_changed" if self.host_key else "host_key_unknown"
        raise PlaceError(code, place=self._server(), fingerprint=fingerprint)

    def _server(self) -> str:
        """Without the folder: a host key is the server's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"

    def _login(self) -> dict[str, Any]:
        login: dict[str, Any] = {"password": self._place.settings.secret, "client_keys": None}
        if self._place.settings.secret.lstrip().startswith("-----BEGIN"):
            try:
                key = asyncssh.import_private_key(self._place.settings.secret)
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
                raise PlaceError("bad_key") from None
            login = {"password": None, "client_keys": [key]}
        return login | {
            "username": self.user,
            "known_hosts": ([], [], []),
            "config": None,
            "agent_path": None,
            "gss_host": None,
        }

    def _error_of(self, error: asyncssh.SFTPError, denied: str, size: int) -> PlaceError:
        if isinstance(error, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded):
            return self._place.error("full")
        if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect):
            return self._place.error(denied)
        cause = self._cause(denied, size) if isinstance(error, asyncssh.SFTPFailure) else ""
        return self._place.error(cause) if cause else self._place.refused(error.reason)

    def _cause(self, denied: str, size: int) -> str:
        """Code of a "failure", as OpenSSH calls whatever has no number in version 3; "" for an unknown one."""
        assert self._runner is not None and self._sftp is not None
        try:
            status = self._runner.run(self._disk(self._sftp))
        except (asyncssh.Error, OSError):  # An extension of OpenSSH.
            return ""
        if (status.flags or 0) & _READ_ONLY:
            return denied
        return "full" if (status.bavail or 0) * (status.frsize or 0) < size else ""

    async def _disk(self, sftp: asyncssh.SFTPClient) -> asyncssh.SFTPVFSAttrs:
        return await self._soon(sftp.statvfs(self._path("")))

    def _forget(self) -> None:
        self._connection = self._sftp = None


def _client(fingerprint: str, shown: list[asyncssh.SSHKey]) -> Callable[[], asyncssh.SSHClient]:
    """Who believes this host key alone. shown: gets any other."""

    class FingerprintClient(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            if key.get_fingerprint("sha256") == fingerprint:
                return True
            shown.append(key)
            return False

    return FingerprintClient
