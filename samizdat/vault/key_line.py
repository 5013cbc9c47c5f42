"""The line between the supervisor and whoever asks it for keys: one JSON object a line each way, and a key as it is,
behind the line that says how many bytes it has.

So a key is never text, nor base64, of which JSON and buffered streams make copies that nobody can write over.
Without Django: the listener for mail has none.
"""

import json
import socket

# The field of a line that says how many bytes of a key come behind it, and how many at most.
FOLLOW, MOST_OF_KEY = "key_bytes", 4096


class KeyLine:
    """One end. What was read from it is written over once it is taken."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._room, self._read = bytearray(2 * MOST_OF_KEY), 0  # What came and wasn't taken stands in the beginning.

    def line(self, most: int | None = None) -> bytes:
        """With its end; without it where none came within `most` bytes, or nothing comes any more."""
        looked = 0
        while (end := self._room.find(b"\n", looked, self._read)) < 0:
            looked = self._read
            if (most is not None and looked >= most) or not self._receive():
                return self._taken(looked)
        return self._taken(end + 1 if most is None else min(end + 1, most))

    def key(self, count: int) -> bytes:
        """As many bytes, of which nobody else has a copy. Errors: ValueError, EOFError."""
        if not 0 <= count <= MOST_OF_KEY:
            raise ValueError("No key is as long.")
        while self._read < count:
            if not self._receive():
                raise EOFError
        return self._taken(count)

    def send(self, facts: dict[str, object], key: bytes | None = None) -> None:
        """Who has made the key writes over it."""
        if key is not None:
            facts = {**facts, FOLLOW: len(key)}
        self._connection.sendall(json.dumps(facts).encode() + b"\n")
        if key:
            self._connection.sendall(key)

    def close(self) -> None:
        self._room[:] = bytes(len(self._room))
        self._read = 0
        self._connection.close()

    def _receive(self) -> bool:
        """Whether more came."""
        if self._read == len(self._room):
            former, self._room = self._room, bytearray(2 * len(self._room))
            memoryview(self._room)[: len(former)] = former
            former[:] = bytes(len(former))
        with memoryview(self._room) as room:
            count = self._connection.recv_into(room[self._read :])
        self._read += count
        return count > 0

    def _taken(self, count: int) -> bytes:
        with memoryview(self._room) as room:
            taken = bytes(room[:count])
            left = self._read - count
            room[:left] = room[count : self._read]
            room[left : self._read] = bytes(count)
        self._read = left
        return taken
