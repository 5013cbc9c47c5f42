"""A folder of this server: a disk beside the data, a USB stick, a mounted network drive.

A file is written under another name, put on the disk and only then given its own, by a link that never replaces another
file (or, where the file system has no links, by a rename that never does): whatever has a name is whole. Folders below
the place are never reached through symbolic links: a disk may come from a stranger.
"""

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from urllib.parse import unquote

from samizdat import modes
from samizdat.places.base import (
    ABANDONED,
    DRAFTS,
    LISTING,
    MOST,
    PORTION,
    BasePlace,
    NotThere,
    PlaceError,
    PlaceSettings,
)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A file system without links, as those of USB sticks are (FAT, exFAT), or without renames that never replace a file.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NO_SUCH_RENAME = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}
# Portions between two of which the disk has to have taken what was written.
SYNCED = 64
_RENAME_NOREPLACE = 1  # linux/fs.h
_CODES = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.EROFS: "read_only",
}


class FolderPlace(BasePlace):
    """The folder itself is never created: where a disk is not mounted, its backups would land beside the data."""

    name = "folder"
    scheme = "file"
    example = "file:///mnt/backup/samizdat"
    label = "A folder on this server, such as a mounted disk or USB stick"
    known_options = {"timeout": "Longest wait for the disk, in seconds"}
    on_server = True

    def __init__(self, settings: PlaceSettings) -> None:
        super().__init__(settings)
        path = unquote(settings.rest.removeprefix("//"))
        if not settings.rest.startswith("///") or not path.strip("/"):
            raise PlaceError("no_folder")
        self.root = "/" + path.strip("/")
        self._stuck: Thread | None = None
        self._signs_of_life = 0
        self._cleared = False

    @property
    def where(self) -> str:
        return self.root

    def list_files(self, folder: str) -> list[tuple[str, int]]:
        return self._within(self.timeout * LISTING, lambda: list(self._list(folder)), "unreadable")

    def fetch(self, name: str) -> bytes:
        return self._within(self.limit(MOST), lambda: self._fetch(name), "unreadable")

    def store(self, name: str, data: bytes) -> None:
        self._within(self.limit(len(data)), lambda: self._store(name, data), "read_only")

    def remove(self, name: str) -> None:
        self._within(self.timeout, lambda: self._remove(name), "read_only")

    # -- the same, as long as it takes --

    def _list(self, folder: str) -> Iterator[tuple[str, int]]:
        start = f"{folder}/" if folder else ""
        try:
            with self._folder(folder.split("/") if folder else ()) as top:
                for path, folders, files, at in os.fwalk(".", dir_fd=top, onerror=_raise):
                    self._signs_of_life += 1
                    folders[:] = [name for name in folders if not name.startswith(".")]
                    below = start + path.removeprefix(".").lstrip("/")
                    for name in files:
                        with contextlib.suppress(FileNotFoundError):
                            status = os.stat(name, dir_fd=at, follow_symlinks=False)
                            if stat.S_ISREG(status.st_mode):
                                yield f"{below.rstrip('/')}/{name}".lstrip("/"), status.st_size
        except NotThere:
            return

    def _fetch(self, name: str) -> bytes:
        *folders, last = name.split("/")
        data: bytes | None = None
        with contextlib.suppress(NotThere), self._folder(folders) as folder:
            data = self._content(folder, last)
        if data is None:
            raise NotThere(self.where, name)
        if len(data) > MOST:
            raise self.error("damaged", name=name)
        return data

    def _store(self, name: str, data: bytes) -> None:
        *folders, last = name.split("/")
        with self._folder([DRAFTS], create=True) as drafts, self._folder(folders, create=True) as folder:
            self._clear(drafts)
            if not self._is_there(folder, last, name, data):
                draft = secrets.token_hex(16)
                try:
                    self._write_draft(drafts, draft, data)
                    _publish(drafts, draft, folder, last)
                except FileExistsError:  # Another process was first.
                    self._is_there(folder, last, name, data)
                finally:
                    with contextlib.suppress(OSError):
                        os.unlink(draft, dir_fd=drafts)
            _sync(folder)

    def _remove(self, name: str) -> None:
        *folders, last = name.split("/")
        with contextlib.suppress(NotThere), self._folder(folders) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(last, dir_fd=folder)
                _sync(folder)

    @contextlib.contextmanager
    def _folder(self, parts: Sequence[str], create: bool = False) -> Iterator[int]:
        """A folder of the place, opened. Errors: PlaceError, NotThere, OSError."""
        try:
            folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise self.error("missing") from None
        try:
            for part in parts:
                if create:
                    _make_folder(folder, part)
                try:
                    inner = os.open(part, _FOLDER, dir_fd=folder)
                except FileNotFoundError:
                    raise NotThere(self.where, "/".join(parts)) from None
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _is_there(self, folder: int, last: str, name: str, data: bytes) -> bool:
        content = self._content(folder, last)
        if content is not None and content != data:
            raise self.error("other_content", name=name)
        return content is not None

    def _content(self, folder: int, last: str) -> bytes | None:
        """None: nothing is there. At most a byte too much."""
        try:
            # Not blocking: a pipe of this name would be waited for.
            file = os.fdopen(os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb")
        except FileNotFoundError:
            return None
        with file:
            portions, left = [], MOST + 1
            while left and (portion := file.read(min(PORTION, left))):
                self.pace.wait(len(portion))
                self._signs_of_life += 1
                portions.append(portion)
                left -= len(portion)
        return b"".join(portions)

    def _write_draft(self, drafts: int, draft: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=drafts), "wb", buffering=0) as file:
            modes.give_to_owner_of(drafts, file.fileno())
            for number, portion in enumerate(self.pace.portions(data), 1):
                while portion:
                    portion = portion[file.write(portion) :]
                if number % SYNCED == 0:  # Else a slow disk would be silent for all of it at the end.
                    os.fsync(file.fileno())
                    self._signs_of_life += 1
            os.fsync(file.fileno())

    def _clear(self, drafts: int) -> None:
        """What killed processes left, once for each time that the place is opened."""
        if self._cleared:
            return
        self._cleared = True
        for draft in os.listdir(drafts):
            with contextlib.suppress(OSError):
                if time.time() - os.stat(draft, dir_fd=drafts, follow_symlinks=False).st_mtime > ABANDONED:
                    os.unlink(draft, dir_fd=drafts)

    def _within[Result](self, seconds: float, work: Callable[[], Result], denied: str) -> Result:
        """The work in a thread of its own: what a dead disk or server keeps waiting in the kernel ends by no signal. It
        is left behind, and nothing else is asked of the place before it ends. denied: code for "permission denied"."""
        if self._stuck and self._stuck.is_alive():
            raise self.silent(self.timeout)
        result = Future[Result]()

        def run() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        thread = Thread(target=run, daemon=True)  # Not waited for at the end of the process.
        thread.start()
        try:
            return self._awaited(result, seconds)
        except TimeoutError:
            self._stuck = thread
            raise self.silent(self.timeout) from None
        except OSError as error:
            code = _CODES.get(error.errno or 0, "refused")
            if code == "refused":
                raise self.refused(error.strerror or "") from None
            raise self.error(denied if code == "read_only" else code) from None

    def _awaited[Result](self, result: Future[Result], seconds: float) -> Result:
        """Errors: TimeoutError, without a sign of life, or when it takes longer than this in all."""
        deadline, silence = time.monotonic() + seconds, self.timeout + self.pace.seconds(PORTION)
        while True:
            seen = self._signs_of_life
            try:
                return result.result(min(silence, max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                if seen == self._signs_of_life or time.monotonic() >= deadline:
                    raise


def _raise(error: OSError) -> None:
    raise error


def _make_folder(folder: int, part: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, 0o700, dir_fd=folder)
        inner = os.open(part, _FOLDER, dir_fd=folder)
        try:
            modes.give_to_owner_of(folder, inner)
        finally:
            os.close(inner)
        _sync(folder)


def _sync(folder: int) -> None:
    """The name of a file is on the disk only then. Some network drives don't know of it."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise


def _publish(drafts: int, draft: str, folder: int, last: str) -> None:
    """The draft under its name. Errors: FileExistsError, when that is taken; OSError."""
    try:
        os.link(draft, last, src_dir_fd=drafts, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(drafts, draft, folder, last)


def _rename(drafts: int, draft: str, folder: int, last: str) -> None:
    """As above, without links. Python has no renameat2."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 and not renameat2(drafts, draft.encode(), folder, last.encode(), _RENAME_NOREPLACE):
        return
    number = ctypes.get_errno() if renameat2 else errno.ENOSYS
    if number not in _NO_SUCH_RENAME:
        raise OSError(number, os.strerror(number))
    try:
        os.stat(last, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(draft, last, src_dir_fd=drafts, dst_dir_fd=folder)
    else:
        raise FileExistsError(errno.EEXIST, last)
