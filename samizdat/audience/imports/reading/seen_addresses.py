"""Which addresses came before in this import."""


class SeenAddresses:
    """Blind indices that were met, each with the strongest status so far.

    Eight bytes each, in 65,536 buckets: seven of the index and the status. With the bucket's two that makes 72 bits,
    so that two of a million addresses are taken for one once in ten thousand million imports. A dict would need
    100 MB for a million, this needs 15.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(1 << 16)]

    def meet(self, blind: bytes, status: int) -> int | None:
        """Notes the address; what stood beside it before, or None for a new one."""
        bucket = self._buckets[blind[0] << 8 | blind[1]]
        key = blind[2:9]
        at = bucket.find(key)
        while at & 7:  # Inside two entries, or -1: then both ways out are below.
            if at < 0:
                bucket += key + bytes((status,))
                return None
            at = bucket.find(key, at + 1)
        return bucket[at + 7]

    def strengthen(self, blind: bytes, status: int) -> None:
        """Puts another status beside an address that was met."""
        bucket = self._buckets[blind[0] << 8 | blind[1]]
        at = bucket.find(blind[2:9])
        while at & 7:
            at = bucket.find(blind[2:9], at + 1)
        bucket[at + 7] = status
