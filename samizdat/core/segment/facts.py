"""What a condition may ask about one subscriber."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class SubscriberFacts:
    """What is known of one subscriber.

    lists: list -> (status, reason of its verdict, one of REASONS); fields: number -> text; confirmed: days of their
    confirmations; campaigns: those of which their letter was accepted; appeals: the lists for which they agreed to
    appeals for money.
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
