"""Files in memory of which it is known what a disk would still have after a power loss.

The contents of a file are on the disk as they were when it was last synced, and a name in a folder as it was when the
folder was. POSIX promises no more. lose() gives what is left: of what was not synced nothing, or pieces by chance, as
a kernel that was writing just then may have got some pages onto the disk and others not.
"""

import os
import random
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

PAGE = 4096
ROOT = 1


@dataclass(slots=True)
class Node:
    """A file, folder, link or socket. before: page -> its bytes on the disk, where they differ from `data`."""

    mode: int
    uid: int
    gid: int
    changed: float = 0.0
    data: bytearray = field(default_factory=bytearray)
    size_on_disk: int = 0
    before: dict[int, bytes] = field(default_factory=dict)
    names: dict[bytes, int] = field(default_factory=dict)
    names_on_disk: dict[bytes, int] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        self._remember(offset, end)
        if offset > len(self.data):
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset:end] = data

    def resize(self, size: int) -> None:
        self._remember(min(size, len(self.data)), max(size, len(self.data)))
        if size > len(self.data):
            self.data.extend(bytes(size - len(self.data)))
        else:
            del self.data[size:]

    def _remember(self, start: int, end: int) -> None:
        for page in range(start // PAGE, -(-min(end, self.size_on_disk) // PAGE)):
            if page not in self.before:
                self.before[page] = bytes(self.data[page * PAGE : min((page + 1) * PAGE, self.size_on_disk)])

    def sync(self) -> None:
        self.before.clear()
        self.size_on_disk = len(self.data)
        self.names_on_disk = dict(self.names)

    def left(self, chance: random.Random, pieces: bool) -> bytearray:
        """Contents after a power loss. pieces: each page that was not synced may have reached the disk."""
        is_new_size = pieces and chance.random() < 0.5
        size = len(self.data) if is_new_size else self.size_on_disk
        left = bytearray(self.data[:size].ljust(size, b"\0"))
        for page, old in self.before.items():
            if not pieces or chance.random() < 0.5:
                # What lay behind the end is zeros where the file has become shorter and longer again.
                left[page * PAGE : min(page * PAGE + len(old), size)] = old[: max(size - page * PAGE, 0)]
        for start in range(-(-self.size_on_disk // PAGE) * PAGE, size, PAGE):
            if chance.random() < 0.5:
                left[start : start + PAGE] = bytes(min(PAGE, size - start))
        return left


class VolatileFiles:
    """number -> Node, from the folder ROOT."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {ROOT: Node(stat.S_IFDIR | 0o755, os.geteuid(), os.getegid())}
        self._next = ROOT + 1

    @classmethod
    def copied(cls, folder: Path) -> Self:
        """What is in a folder, all of it on the disk."""
        files = cls()
        files._copy(folder, ROOT)
        return files

    def _copy(self, folder: Path, parent: int) -> None:
        for path in folder.iterdir():
            status = path.lstat()
            if stat.S_ISSOCK(status.st_mode):
                continue
            number = self.add(parent, os.fsencode(path.name), status.st_mode, status.st_uid, status.st_gid)
            if path.is_dir():
                self._copy(path, number)
            elif path.is_file():
                self.nodes[number].data = bytearray(path.read_bytes())
            self.nodes[number].sync()
        self.nodes[parent].sync()

    def add(self, parent: int, name: bytes, mode: int, uid: int, gid: int) -> int:
        folder = self.nodes[parent]
        if folder.mode & stat.S_ISGID:
            gid, mode = folder.gid, mode | (stat.S_ISGID if stat.S_ISDIR(mode) else 0)
        number, self._next = self._next, self._next + 1
        self.nodes[number] = Node(mode, uid, gid)
        folder.names[name] = number
        return number

    def sync(self) -> None:
        for node in self.nodes.values():
            node.sync()

    def left(self, seed: int) -> Self:
        """What a power loss leaves, as files that are all on the disk. Of what was not synced nothing with an even
        seed; with an odd one all names, as of a file system with a journal that has just been written, and pieces of
        the contents."""
        chance, pieces = random.Random(seed), seed % 2 == 1
        files = type(self)()
        files._next = self._next
        for number in self._reachable(pieces):
            node = self.nodes[number]
            names = dict(node.names if pieces else node.names_on_disk)
            files.nodes[number] = replace(node, data=node.left(chance, pieces), before={}, names=names)
            files.nodes[number].sync()
        return files

    def _reachable(self, pieces: bool) -> Iterator[int]:
        ahead, seen = [ROOT], set[int]()
        while ahead:
            number = ahead.pop()
            if number in seen:
                continue
            seen.add(number)
            yield number
            node = self.nodes[number]
            ahead += (node.names if pieces else node.names_on_disk).values()
