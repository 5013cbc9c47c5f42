"""When a deferred message is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

# Minutes until the next try of a deferred message. RFC 5321 section 4.5.4.1 wants 30 minutes between tries in
# general; the first two are shorter, because greylisting opens after 5 to 15 and most throttles after an
# hour.
RETRY_WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240, 480))

# RFC 5321 section 4.5.4.1: give up after 4 to 5 days.
GIVE_UP = timedelta(days=4)

# Not before somebody or something lets it go.
LATER = datetime(9999, 12, 31, tzinfo=UTC)


def next_try(tries: int, now: datetime) -> datetime:
    """When to try again after `tries` tries (1 after the first one failed)."""
    return now + RETRY_WAITS[max(0, min(tries - 1, len(RETRY_WAITS) - 1))]


def expired(first: datetime, now: datetime, limit: timedelta = GIVE_UP) -> bool:
    """Has a message that was first tried at `first` been waiting for too long?"""
    return now - first >= limit
