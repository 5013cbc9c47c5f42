"""A token bucket: so many a second in the long run, so many at once."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Full at first. Times are seconds of a clock that nobody can set, given by the caller."""

    size: float
    a_second: float
    held: float = -1.0
    at: float = 0.0

    def wait(self, now: float, many: float = 1.0) -> float:
        """Seconds until there is enough; 0.0 where there is."""
        missing = max(0.0, many - self._level(now))
        if missing and not self.a_second:
            return math.inf
        return missing and missing / self.a_second

    def take(self, now: float, many: float = 1.0) -> float:
        """The same; where it is 0.0 they are taken."""
        seconds = self.wait(now, many)
        if not seconds:
            self.held, self.at = self._level(now) - many, now
        return seconds

    def is_full(self, now: float) -> bool:
        """Then it says nothing that a new one would not."""
        return self._level(now) >= self.size

    def _level(self, now: float) -> float:
        return self.size if self.held < 0 else min(self.size, self.held + max(0.0, now - self.at) * self.a_second)
