"""The way out that needs nobody: every message becomes an .eml file in a folder.

For a first look, for handing mail to something else, and for a machine without any network.
"""

import asyncio
import errno
import os
from dataclasses import replace
from itertools import count
from pathlib import Path

from samizdat.core.mail.outcome import OK, Accepted, Deferred, RouteVerdict
from samizdat.transports import base
from samizdat.transports.base import BadRoute, Message, MessageFeed, RouteDown, RouteField, RouteKind, RouteSettings

ACCEPTED = Accepted(250)

# So many files are written before others in the same loop get their turn.
SLICE = 20


class FolderTransport(base.Transport):
    """`folder:///srv/outbox`: one file a message, readable by the owner alone."""

    name = "folder"
    kinds = (RouteKind("folder:///dir", "A folder on this server: each email becomes an .eml file"),)
    no_path = "no_folder"
    asks = (RouteField("path", "The folder, as an absolute path"),)

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if not route.path.startswith("/"):
            raise BadRoute("no_folder")
        self.folder = Path(route.path)

    def check_new(self) -> None:
        """A folder that is missing can be made later; in a file none ever can."""
        if file := next((part for part in (self.folder, *self.folder.parents) if part.is_file()), None):
            raise BadRoute("in_a_file", path=str(self.folder), file=str(file))

    async def probe(self) -> RouteVerdict:
        """Is the folder there, and may we write in it?"""
        values = {"host": str(self.folder), "detail": str(self.folder)}
        if not self.folder.is_dir():
            return RouteVerdict("dead", "folder_missing", values)
        probe = self.folder / f".samizdat-{os.getpid()}"
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600))
            probe.unlink()
        except OSError as error:
            return verdict_of(error, values)
        return replace(OK, values=values)

    async def carry(self, feed: MessageFeed) -> None:
        """Write everything the feed gives. Raises RouteDown."""
        verdict = await self.probe()
        if verdict.state != "ok":
            raise RouteDown(verdict)
        numbers = count(self.highest() + 1)
        while True:
            written = 0
            while (message := feed.take()) is not None:
                self.write(feed, message, next(numbers))
                written += 1
                if written % SLICE == 0:
                    await asyncio.sleep(0)
            if not await feed.more():
                return

    def highest(self) -> int:
        """The highest counter in the folder, so that a second send does not write over the first."""
        heads = (entry.name.partition("-")[0] for entry in os.scandir(self.folder) if entry.name.endswith(".eml"))
        return max((int(head) for head in heads if head.isascii() and head.isdecimal()), default=0)

    def write(self, feed: MessageFeed, message: Message, number: int) -> None:
        """Under another name first: a file called .eml is always whole. No name holds an address."""
        name = f"{number:08d}-{message.number}-{os.getpid()}"
        part, whole = self.folder / f".{name}.part", self.folder / f"{name}.eml"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message.content)
        except OSError as error:
            part.unlink(missing_ok=True)
            self.give_up(feed, message, error)
        try:
            feed.finishing(message)
        except BaseException:
            part.unlink(missing_ok=True)
            feed.tell(message, Deferred(0, "", "route", "route"))
            raise
        try:
            os.rename(part, whole)
        except OSError as error:
            part.unlink(missing_ok=True)
            self.give_up(feed, message, error)
        feed.tell(message, ACCEPTED)

    def give_up(self, feed: MessageFeed, message: Message, error: OSError) -> None:
        verdict = verdict_of(error, {"host": str(self.folder), "detail": str(self.folder)})
        feed.tell(message, Deferred(0, verdict.reason, "route", "route"))
        raise RouteDown(verdict) from None


def verdict_of(error: OSError, values: dict[str, str]) -> RouteVerdict:
    """What a failed write means for the route."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RouteVerdict("throttled", "disk_full", values, 60)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return RouteVerdict("dead", "folder_not_writable", values)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return RouteVerdict("dead", "folder_missing", values)
    return RouteVerdict("throttled", "folder_failed", values | {"detail": error.strerror or "error"}, 60)
