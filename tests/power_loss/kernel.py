"""The kernel's side of a file system in a process (FUSE), as far as programs of ours need it.

Layouts and numbers: include/uapi/linux/fuse.h of Linux, protocol 7.31. Spoken here without a library: pyfuse3 is built
from source against libfuse, which a machine that only runs the tests does not have.
"""

import ctypes
import errno
import functools
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from tests.power_loss.volatile_files import Node, VolatileFiles

_REQUEST = struct.Struct("<IIQQIIIHH")  # len, opcode, unique, nodeid, uid, gid, pid, extensions, padding
_REPLY = struct.Struct("<IiQ")  # len, error, unique
_ATTRIBUTES = struct.Struct("<6Q10I")
_ENTRY = struct.Struct("<4QII")  # nodeid, generation, seconds of name and attributes, their nanoseconds
_SETATTR = struct.Struct("<II6Q8I")
_IO = struct.Struct("<QQII")  # handle, offset, size, flags
_WRITE_IN = struct.Struct("<QQIIQII")
_MODE, _UID, _GID, _SIZE = 1, 2, 4, 8
_MOST = 1 << 17  # Bytes of one write.
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_KEPT = 3600  # Seconds that the kernel may believe a name or attributes: nobody else changes them.
_KEEP_CACHE = 2  # What the kernel has of a file stays good.
_NO_REPLY = frozenset((2, 36, 42))  # FORGET, INTERRUPT, BATCH_FORGET
_DETACH, _NOSUID, _NODEV = 2, 2, 4


@functools.cache
def why_not() -> str:
    """Why no such file system can be mounted here; "" where it can."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    return ""


class Mount:
    """`files` at `path`. Requests are answered by answer_one() alone, so nothing changes between two calls."""

    def __init__(self, files: VolatileFiles, path: Path) -> None:
        """Errors: OSError."""
        self.files, self._path = files, path
        self._listings: dict[int, list[tuple[bytes, int]]] = {}
        self.descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.descriptor},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"samizdat", os.fsencode(path), b"fuse", _NOSUID | _NODEV, options.encode()):
            os.close(self.descriptor)
            raise OSError(ctypes.get_errno(), "The file system could not be mounted.")

    def end(self) -> None:
        """Whatever waits for an answer gets an error, and what the kernel has not written is gone."""
        os.close(self.descriptor)
        ctypes.CDLL(None).umount2(os.fsencode(self._path), _DETACH)

    def answer_one(self) -> bool:
        """Waits for a request and answers it. False: there is no mount any more."""
        try:
            message = os.read(self.descriptor, _MOST + 4096)
        except OSError as error:
            return error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN)  # Taken back meanwhile.
        _length, operation, unique, node, uid, gid, *_rest = _REQUEST.unpack_from(message)
        if operation in _NO_REPLY:
            return True
        answer, code = b"", 0
        try:
            answer = self._answers[operation](self, node, message[_REQUEST.size :], uid, gid)
        except KeyError:
            code = errno.ENOENT if operation in self._answers else errno.ENOSYS
        except OSError as error:
            code = error.errno or errno.EIO
        try:
            os.write(self.descriptor, _REPLY.pack(_REPLY.size + len(answer), -code, unique) + answer)
        except OSError as error:
            return error.errno == errno.ENOENT  # Whoever asked was killed.
        return True

    # -- what is answered; (number of the node, what follows the heading, uid, gid) -> bytes; KeyError: not there ------

    def _init(self, _node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        flags = _BIG_WRITES | _MAX_PAGES
        return struct.pack("<4IHHIIHHII24x", 7, 31, _MOST, flags, 16, 12, _MOST, 1, _MOST // 4096, 0, 0, 0)

    def _look_up(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        return self._entry(self._names(node)[_name(body)])

    def _get_attributes(self, node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        return struct.pack("<QII", _KEPT, 0, 0) + self._attributes(node)

    def _set_attributes(self, node: int, body: bytes, uid: int, gid: int) -> bytes:
        valid, _pad, _handle, size, *_times, mode, _unused, new_uid, new_gid, _end = _SETATTR.unpack_from(body)
        file = self.files.nodes[node]
        if valid & _SIZE:
            file.resize(size)
            file.changed = time.time()
        if valid & _MODE:
            file.mode = stat.S_IFMT(file.mode) | stat.S_IMODE(mode)
        file.uid = new_uid if valid & _UID else file.uid
        file.gid = new_gid if valid & _GID else file.gid
        return self._get_attributes(node, body, uid, gid)

    def _make(self, node: int, body: bytes, uid: int, gid: int) -> bytes:
        (mode,) = struct.unpack_from("<I", body)
        return self._entry(self._add(node, _name(body[16:]), mode, uid, gid))

    def _make_folder(self, node: int, body: bytes, uid: int, gid: int) -> bytes:
        (mode,) = struct.unpack_from("<I", body)
        return self._entry(self._add(node, _name(body[8:]), stat.S_IFDIR | mode, uid, gid))

    def _create(self, node: int, body: bytes, uid: int, gid: int) -> bytes:
        mode = struct.unpack_from("<II", body)[1]
        return self._make_and_open(self._add(node, _name(body[16:]), mode, uid, gid))

    def _make_and_open(self, number: int) -> bytes:
        return self._entry(number) + self._open(number, b"", 0, 0)

    def _link(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        (number,) = struct.unpack_from("<Q", body)
        self._insert(node, _name(body[8:]), number)
        return self._entry(number)

    def _remove(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        names, name = self._names(node), _name(body)
        if self.files.nodes[names[name]].names:
            raise OSError(errno.ENOTEMPTY, "")
        del names[name]
        return b""

    def _rename(self, node: int, body: bytes, _uid: int, _gid: int, skipped: int = 8) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        old, new, *_rest = body[skipped:].split(b"\0")
        number = self._names(node)[old]
        self._names(folder)[new] = number
        if (node, old) != (folder, new):
            del self._names(node)[old]
        return b""

    def _rename_with_flags(self, node: int, body: bytes, uid: int, gid: int) -> bytes:
        if struct.unpack_from("<QI", body)[1]:
            raise OSError(errno.EINVAL, "")
        return self._rename(node, body, uid, gid, skipped=16)

    def _open(self, _node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        return struct.pack("<QIi", 0, _KEEP_CACHE, 0)

    def _open_folder(self, node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        handle = len(self._listings) + 1
        self._listings[handle] = [(b".", node), (b"..", node), *self._names(node).items()]
        return struct.pack("<QIi", handle, 0, 0)

    def _list(self, _node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        handle, offset, size, _flags = _IO.unpack_from(body)
        listed = b""
        for place, (name, number) in enumerate(self._listings[handle][offset:], offset + 1):
            kind = self.files.nodes[number].mode >> 12
            entry = struct.pack("<QQII", number, place, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(listed) + len(entry) > size:
                break
            listed += entry
        return listed

    def _read(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        _handle, offset, size, _flags = _IO.unpack_from(body)
        return bytes(self.files.nodes[node].data[offset : offset + size])

    def _write(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        _handle, offset, size, *_rest = _WRITE_IN.unpack_from(body)
        file = self.files.nodes[node]
        file.write(offset, body[_WRITE_IN.size : _WRITE_IN.size + size])
        file.changed = time.time()
        return struct.pack("<II", size, 0)

    def _reserve(self, node: int, body: bytes, _uid: int, _gid: int) -> bytes:
        _handle, offset, length, mode = struct.unpack_from("<QQQI", body)
        if mode:
            raise OSError(errno.EOPNOTSUPP, "")
        file = self.files.nodes[node]
        file.resize(max(len(file.data), offset + length))
        return b""

    def _sync(self, node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        self.files.nodes[node].sync()
        return b""

    def _space(self, _node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        return struct.pack("<5Q4I24x", 1 << 24, 1 << 23, 1 << 23, 1 << 20, 1 << 19, 4096, 255, 4096, 0)

    def _nothing(self, _node: int, _body: bytes, _uid: int, _gid: int) -> bytes:
        return b""

    # -- values ----------------------------------------------------------------------------------------------------

    def _names(self, node: int) -> dict[bytes, int]:
        return self.files.nodes[node].names

    def _add(self, parent: int, name: bytes, mode: int, uid: int, gid: int) -> int:
        if name in self._names(parent):
            raise OSError(errno.EEXIST, "")
        number = self.files.add(parent, name, mode, uid, gid)
        self.files.nodes[number].changed = time.time()
        return number

    def _insert(self, parent: int, name: bytes, number: int) -> None:
        if name in self._names(parent):
            raise OSError(errno.EEXIST, "")
        self._names(parent)[name] = number

    def _entry(self, number: int) -> bytes:
        return _ENTRY.pack(number, 0, _KEPT, _KEPT, 0, 0) + self._attributes(number)

    def _attributes(self, number: int) -> bytes:
        node: Node = self.files.nodes[number]
        size, changed = len(node.data), int(node.changed)
        links = 2 if node.is_folder else 1
        return _ATTRIBUTES.pack(
            number, size, -(-size // 512), changed, changed, changed, 0, 0, 0, node.mode, links, node.uid, node.gid, 0,
            4096, 0,
        )  # fmt: skip

    _answers: dict[int, Callable[["Mount", int, bytes, int, int], bytes]] = {
        1: _look_up, 3: _get_attributes, 4: _set_attributes, 8: _make, 9: _make_folder, 10: _remove, 11: _remove,
        12: _rename, 13: _link, 14: _open, 15: _read, 16: _write, 17: _space, 18: _nothing, 20: _sync, 25: _nothing,
        26: _init, 27: _open_folder, 28: _list, 29: _nothing, 30: _sync, 35: _create, 38: _nothing, 43: _reserve,
        45: _rename_with_flags,
    }  # fmt: skip


def _name(body: bytes) -> bytes:
    return body.partition(b"\0")[0]
