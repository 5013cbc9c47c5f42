"""How much incoming mail is kept, and whose comes first where there is little room: anybody may send some."""

from typing import NamedTuple

# Shares of the limit: above the first, messages that nobody needs any more go; above the second, strangers send only
# small ones.
TRIMMED, STRANGERS = 0.7, 0.75
# Shares that messages may have whose files can still be opened in the inbox: from subscribers, and from strangers.
FILES, FILES_OF_STRANGERS = 0.5, 0.25
# Bytes of a small message: bounces and replies without files are smaller.
SMALL = 100 << 10


class MailRoom(NamedTuple):
    """Of one organization. used: bytes that it has here; limit: bytes that it may have."""

    used: int
    limit: int

    @classmethod
    def on_disk(cls, used: int, quota: int, free: int) -> "MailRoom":
        """free: bytes of the disk behind those that are left to everything else."""
        return cls(used, min(quota, used + max(free, 0)))

    def most(self, is_ours: bool) -> int:
        """Bytes of the largest message that is taken in now. is_ours: a token of ours says that it belongs to a message
        that we sent."""
        left = max(self.limit - self.used, 0)
        return left if is_ours else max(int(self.limit * STRANGERS) - self.used, min(left, SMALL))

    def excess(self) -> int:
        """Bytes that have to go if they can."""
        return max(self.used - int(self.limit * TRIMMED), 0)

    @property
    def is_full(self) -> bool:
        """Whether some messages have to wait elsewhere, though nothing more can go."""
        return self.used >= self.limit * STRANGERS

    def with_more(self, size: int) -> "MailRoom":
        return self._replace(used=self.used + size)
