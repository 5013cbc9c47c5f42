"""An uploaded file as a binary file over its sealed pieces."""

import io
from collections.abc import Callable

# A zip's directory stands at its end and its files before that, so reading jumps twice and then goes straight on.
HELD = 4


class PieceFile(io.RawIOBase):
    """Reads a file whose piece n holds the bytes from n * `piece_size` on. `ask(file, n)` gives a piece in plain."""

    def __init__(self, place: int, piece_size: int, size: int, ask: Callable[[int, int], bytes] | None) -> None:
        super().__init__()
        assert ask is not None
        self._place = place
        self._piece_size = piece_size
        self._size = size
        self._ask = ask
        self._at = 0
        self._held: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        number, offset = divmod(self._at, self._piece_size)
        if self._at >= self._size:
            return 0
        data = memoryview(self._piece(number))[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _piece(self, number: int) -> bytes:
        piece = self._held.pop(number, None)
        if piece is None:
            if len(self._held) >= HELD:
                del self._held[next(iter(self._held))]
            piece = self._ask(self._place, number)
        self._held[number] = piece  # The last one used is the last one let go: files of a zip are read in turns.
        return piece
