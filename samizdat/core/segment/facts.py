"""What a condition may ask about one subscriber."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class SubscriberFacts:
    """What is known of one subscriber.

    lists: list -> (status, reason of its verdict, one of REASONS); fields: number -> text; confirmed: days of their
    confirmations; campaigns: those of which their letter was accepted; appeals: the lists for which they agreed to
    appeals for money; more: what a condition alone asks for, by its name in JSON.
    """

    number: int = 0
    tags: Collection[int] = frozenset()
    language: str = ""
    provider: str = "other"
    joined: date = date.min
    confirmed: Collection[date] = ()
    lists: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    fields: Mapping[int, str] = field(default_factory=dict)
    campaigns: Collection[int] = frozenset()
    appeals: Collection[int] = frozenset()
    more: Mapping[str, Any] = field(default_factory=dict)

    def standings(self, id: int) -> Iterable[tuple[str, str]]:
        """(status, reason of the verdict) on a list; 0: on each."""
        return self.lists.values() if id == 0 else [self.lists[id]] if id in self.lists else []
