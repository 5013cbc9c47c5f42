"""What every place for backups has in common: its URL, names of files, errors, limits. A kind of place is a subclass of
`BasePlace` in a file of its own.

A place only ever sees files that are encrypted already. What it says is believed in nothing: it may be full, slow,
read-only, lose files or give others.
"""

import math
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol
from urllib.parse import unquote

from samizdat import outgoing_connections
from samizdat.core.private_networks import Network

# Code -> what happened, then what to do. No hole may hold a credential.
SENTENCES = {
    # The URL as written.
    "control": "The URL of the backup place contains a line break or another control character. Write it on one line.",
    "no_kind": "“{scheme}” isn’t a kind of backup place. Use one of: {known}.",
    "no_folder": "A folder needs its full path with three slashes, such as file:///mnt/backup/samizdat.",
    "bad_server": "The URL of the backup place has no server or a wrong port. Write it as {example}.",
    "no_user": "The URL of the backup place has no user name or access key. Write it as {example}.",
    "secret_in_url": "The URL of the backup place contains a password. Leave it out, and enter it separately.",
    "no_secret": "The backup place needs a password or key, and none is stored. Enter it.",
    "bad_key": "The private key can’t be read. Enter one in OpenSSH’s format without a passphrase.",
    "unknown_option": "The URL of the backup place has the option “{option}”, which isn’t known here. Known options: "
    "{known}.",
    "bad_seconds": "The option {option} must be a number of seconds above zero, such as {option}=60.",
    "bad_endpoint": "The option endpoint must be an https:// address without a path. Without encryption it may only be "
    "on this server.",
    "bad_host_key": "The option host_key must be SHA256: and 43 characters. On the server, run ssh-keygen -lf "
    "/etc/ssh/ssh_host_ed25519_key.pub.",
    "bad_remote": "An rclone place is written as rclone:remote:path?config=/path/rclone.conf. Check the name of the "
    "remote and the path of the configuration.",
    "at_terminal": "A place of this kind is added on the server itself: samizdat backup place add.",
    # Names and files.
    "bad_name": "“{name}” can’t be the name of a backup file. Names have lowercase letters, digits, dots, hyphens and "
    "slashes, and no part begins with a dot.",
    "too_big": "{name} has more than 64 MB, the most that a file of a backup may have. Report this to the developers.",
    "not_there": "There’s no file {name} at {place}. Check that it’s the right place, or use another backup.",
    "other_content": "{place} already has another file called {name}. It was left as it is. Check who else writes to "
    "this place.",
    "damaged": "{name} isn’t what was stored at {place}: it was changed or damaged there. Use another backup, and "
    "check the place.",
    "not_kept": "{place} confirmed {name}, but doesn’t have it as it was sent. Don’t rely on this place before you "
    "know why.",
    # The place as it is now.
    "missing": "{place} isn’t there. Connect or mount the disk, or create the folder.",
    "full": "{place} is full. Free some space there, then try again.",
    "read_only": "{place} can’t be written to. Allow it there, or check whether the disk is read-only.",
    "unreadable": "{place} can’t be read. Allow it there.",
    "silent": "{place} didn’t answer in time ({seconds} s). Check it and the network, then try again.",
    "no_connection": "{place} can’t be reached ({detail}). Check its address and the network, then try again.",
    "no_such_host": "The server name of {place} isn’t known. Check its spelling and the DNS.",
    "inside": "{place} leads to an address in this server’s own network, which isn’t allowed here. Use a public "
    "address.",
    "bad_login": "{place} rejects the user name, password or key. Enter them again.",
    "not_them": "The certificate of {place} isn’t valid ({detail}). Nothing was sent. Check the address and the "
    "server.",
    "host_key_unknown": "The server {place} isn’t known yet. Its host key is {fingerprint}. Compare it with the one on "
    "the server (ssh-keygen -lf), then add it to the URL as host_key={fingerprint}.",
    "host_key_changed": "The server {place} shows another host key than the one that was confirmed, so nothing was "
    "sent. It may be another server. Ask who runs it; if the key was replaced, confirm the new one.",
    "no_bucket": "There’s no bucket of this name at {place}. Check its spelling and region, or create it.",
    "other_region": "The bucket of {place} is in another region ({detail}). Write it as region=….",
    "clock": "The clock of this server differs from that of {place}. Set it, for example with NTP.",
    "no_rclone": "The program rclone isn’t installed on this server. Install it (apt install rclone).",
    "no_config": "The configuration of rclone can’t be read. Check the path in the option config and its permissions.",
    "no_remote": "The configuration of rclone has no remote called {remote}. Run rclone config, or check the spelling.",
    "refused": "{place} reports an error ({detail}). Check the place, then try again.",
}

# Bytes of a file. A backup holds one in memory at a time.
MOST = 64 << 20
# Seconds without a sign of life, unless the URL says otherwise; and bytes a second below which a place counts as silent
# as well: a call may take TIMEOUT + bytes / SLOWEST. A list may take LISTING times TIMEOUT.
TIMEOUT, SLOWEST, LISTING = 60.0, 16_000, 10
# A file that is being written stands in this folder of the place. One that is older than ABANDONED seconds is of a
# process that was killed: each portion that is written makes it younger.
DRAFTS, ABANDONED = ".drafts", 3600.0
# Bytes that are carried at once, between two looks at the pace.
PORTION = 1 << 16
# Characters of an error of a foreign program in our sentence.
LONGEST_DETAIL = 160

_PART = r"[a-z0-9-][a-z0-9.-]*"
NAME = re.compile(rf"(?=.{{1,200}}\Z){_PART}(?:/{_PART})*")
_URL = re.compile(r"([a-z][a-z0-9]*):(.*)", re.DOTALL | re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\]")


class PlaceError(Exception):
    """A place that cannot be used, now or as written: `code` of SENTENCES and `values` for its holes.

    The text is the English sentence. A place of another package may give a whole sentence instead of a code.
    """

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES.get(code, code)
        super().__init__(self.sentence.format(**values) if values else self.sentence)


class NotThere(PlaceError):
    """The place has no file of this name, as far as it says."""

    def __init__(self, place: str, name: str) -> None:
        super().__init__("not_there", place=place, name=name)


class Place(Protocol):
    """Files under names such as `pieces/ab/cd.age`, relative and without `..`. For one thread at a time."""

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """(Name from the place's root, bytes) of whatever lies below `folder`; "" for all. Files that others put there
        under names that none of ours has are left out. Errors: PlaceError."""

    def read(self, name: str) -> bytes:
        """What lies there; whether it is what was written, the caller has to know. Errors: PlaceError, NotThere."""

    def write(self, name: str, data: bytes) -> None:
        """Whole or not at all. The same name again with the same bytes is no error. Errors: PlaceError (with others
        "other_content")."""

    def delete(self, name: str) -> None:
        """One that is not there is no error. Errors: PlaceError."""

    def close(self) -> None:
        """Connections end."""


class Pace:
    """No more than so many bytes a second go to a place or come from it. 0: as many as will."""

    def __init__(
        self,
        bytes_per_second: float = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self.sleep = bytes_per_second, clock, sleep
        self._free_at = float("-inf")

    def seconds(self, size: int) -> float:
        """That so many bytes take by this limit."""
        return size / self._rate if self._rate else 0.0

    def wait(self, size: int) -> None:
        """Called for each portion that is carried."""
        if self._rate:
            now = self._clock()
            if self._free_at > now:
                self.sleep(self._free_at - now)
            self._free_at = max(now, self._free_at) + self.seconds(size)

    def portions(self, data: bytes, most: int = PORTION) -> Iterator[memoryview]:
        """What is written, as fast as it may be."""
        for start in range(0, len(data), most):
            portion = memoryview(data)[start : start + most]
            self.wait(len(portion))
            yield portion


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """A place, as its URL says. `rest`: all between the scheme and the question mark."""

    scheme: str
    rest: str
    options: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    pace: Pace = field(default_factory=Pace)
    # What it may reach beside public addresses; None, for one that was added on the server itself: everything.
    inside: tuple[Network, ...] | None = None

    def seconds(self, option: str, default: float) -> float:
        """Errors: PlaceError, when it is no number above zero."""
        try:
            value = float(self.options.get(option) or default)
        except ValueError:
            value = 0.0
        if not (math.isfinite(value) and value > 0):
            raise PlaceError("bad_seconds", option=option)
        return value


class ServerUrl(NamedTuple):
    """What `//user@host:port/path` says; port 0 where it says none."""

    user: str
    host: str
    port: int
    path: str


class BasePlace:
    """The plug. A subclass in a module of this package is found by its scheme.

    Names and sizes are checked here; a kind of place writes `list_files`, `fetch`, `store` and `remove`, and takes no
    longer than `limit` for any.
    """

    name: ClassVar[str] = ""
    scheme: ClassVar[str] = ""
    example: ClassVar[str] = ""
    label: ClassVar[str] = ""
    # Option of the URL -> what for.
    known_options: ClassVar[Mapping[str, str]] = {}
    # It names files or programs of this server: to be added at its terminal alone.
    on_server: ClassVar[bool] = False

    def __init__(self, settings: PlaceSettings) -> None:
        self.settings, self.pace = settings, settings.pace
        self.timeout = settings.seconds("timeout", TIMEOUT)

    @property
    def where(self) -> str:
        """As sentences call it, without credentials."""
        raise NotImplementedError

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        if folder:
            check_name(folder)
        return iter([(name, size) for name, size in self.list_files(folder) if NAME.fullmatch(name)])

    def read(self, name: str) -> bytes:
        check_name(name)
        return self.fetch(name)

    def write(self, name: str, data: bytes) -> None:
        check_name(name)
        if len(data) > MOST:
            raise PlaceError("too_big", name=name)
        self.store(name, data)

    def delete(self, name: str) -> None:
        check_name(name)
        self.remove(name)

    def close(self) -> None:
        pass

    def list_files(self, folder: str) -> Iterable[tuple[str, int]]:
        raise NotImplementedError

    def fetch(self, name: str) -> bytes:
        raise NotImplementedError

    def store(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    def remove(self, name: str) -> None:
        raise NotImplementedError

    # -- for subclasses --

    def error(self, code: str, **values: str) -> PlaceError:
        return PlaceError(code, place=self.where, **values)

    def limit(self, size: int) -> float:
        """Seconds that carrying so many bytes may take."""
        return self.timeout + size / SLOWEST + self.pace.seconds(size)

    def silent(self, seconds: float) -> PlaceError:
        return self.error("silent", seconds=f"{seconds:.3g}")

    def refused(self, detail: str, code: str = "refused") -> PlaceError:
        return self.error(code, detail=plain_detail(detail, self.settings.secret) or "?")


def check_name(name: str) -> None:
    """Errors: PlaceError, for one that could mean another folder or file, or that not every place can hold."""
    if not NAME.fullmatch(name):
        raise PlaceError("bad_name", name="".join(c if c.isprintable() else "?" for c in name[:80]))


def read_url(
    kinds: Mapping[str, type[BasePlace]],
    url: str,
    secret: str,
    pace: Pace | None = None,
    inside: tuple[Network, ...] | None = None,
) -> BasePlace:
    """The place that a URL means; nothing is connected to yet. kinds: by scheme. Errors: PlaceError."""
    url = url.strip()
    if any(ord(c) < 32 for c in url):
        raise PlaceError("control")
    match = _URL.fullmatch(url)
    scheme = match[1].lower() if match else ""
    if not match or scheme not in kinds:
        raise PlaceError("no_kind", scheme=scheme, known=", ".join(kinds[name].example for name in sorted(kinds)))
    rest, _, query = match[2].partition("?")
    options = _options(query)
    known = kinds[scheme].known_options
    if unknown := next((name for name in options if name not in known), ""):
        raise PlaceError("unknown_option", option=unknown, known=", ".join(known) or "–")
    return kinds[scheme](PlaceSettings(scheme, rest, options, secret, pace or Pace(), inside))


def _options(query: str) -> dict[str, str]:
    """A plus means itself: fingerprints have some."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def read_server(rest: str, example: str) -> ServerUrl:
    """Errors: PlaceError, whose sentence never shows a credential."""
    where, _, path = rest.removeprefix("//").partition("/")
    user, _, address = where.rpartition("@")
    if ":" in user:
        raise PlaceError("secret_in_url")
    if not user:
        raise PlaceError("no_user", example=example)
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, "0"
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else -1
    if not rest.startswith("//") or not _HOST.fullmatch(host) or not 0 <= number <= 65535:
        raise PlaceError("bad_server", example=example)
    return ServerUrl(unquote(user), host.strip("[]").lower(), number, unquote(path).strip("/"))


def connect(place: BasePlace, host: str, port: int) -> socket.socket:
    """A connection to where the name leads, and to no other address than the ones looked at. Errors: PlaceError."""
    try:
        return outgoing_connections.connect(host, port, place.settings.inside, place.timeout)
    except outgoing_connections.NoSuchHost:
        raise place.error("no_such_host") from None
    except outgoing_connections.InnerAddress:
        raise place.error("inside") from None
    except TimeoutError:
        raise place.silent(place.timeout) from None
    except OSError as failure:
        raise place.refused(failure.strerror or "", "no_connection") from None


_QUERY, _LOGIN = re.compile(r"\?[^\s\"]+"), re.compile(r"//[^/@\s]+@")


def plain_detail(text: str, secret: str) -> str:
    """An error of a foreign server or program for a sentence: a line without credentials, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    if secret:
        line = line.replace(secret, "…")
    return _LOGIN.sub("//…@", _QUERY.sub("?…", line))[:LONGEST_DETAIL].strip()
