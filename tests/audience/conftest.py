"""Lists and files for the audience's tests."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW

PAYLOADS = Path(__file__).parent.parent / "payloads" / "subscribers-csv"
HEAD = "Email Address,First Name,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP"
TAILS = {
    "subscribed": "LAST_CHANGED,LEID,EUID,NOTES,TAGS",
    "nonsubscribed": "LAST_CHANGED,LEID,EUID,NOTES,TAGS",
    "unsubscribed": "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,"
    "LEID,EUID,NOTES,TAGS",
    "cleaned": "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID,NOTES,TAGS",
}


@pytest.fixture
def letter(lantern: Any, remembered: Callable[..., Any]) -> Any:
    """The Thursday Letter, a list with nobody on it."""
    from samizdat.audience.actions import new_list

    def begin() -> Any:
        return new_list(lantern, "The Thursday Letter", now=NOW)

    return remembered(begin, lantern)


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file as Mailchimp exports it: export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00").

    A line is the start of a row, or a mapping from column to cell.
    """

    def write(status: str, *lines: str | dict[str, str], name: str = "0a1b2c") -> Path:
        path = tmp_path / f"{status}_members_export_{name}.csv"
        heading = f"{HEAD},{TAILS[status]}"
        width = heading.count(",")
        padded = [line + "," * (width - line.count(",")) for line in lines if isinstance(line, str)]
        with path.open("w", newline="") as file:
            file.write("\n".join([heading, *padded]) + "\n")
            rows = csv.DictWriter(file, heading.split(","))
            rows.writerows(line for line in lines if isinstance(line, dict))
        return path

    return write


@pytest.fixture
def bring(lantern: Any, letter: Any) -> Callable[..., Any]:
    """Brings files in to the Thursday Letter; gives the finished import."""
    from samizdat.audience.actions import direct

    def run(*paths: Path, list: Any = None, at: datetime = NOW, **more: Any) -> Any:
        return direct(lantern, list or letter, [str(path) for path in paths], now=lambda: at, **more)

    return run


@pytest.fixture
def real() -> list[Path]:
    """What Mailchimp really gave, once."""
    return sorted(PAYLOADS.glob("mailchimp-*.csv"))


def split(counts: dict[str, int]) -> tuple[int, ...]:
    return tuple(counts[name] for name in ("added", "updated", "unchanged", "rejected"))


def statuses(counts: dict[str, int]) -> dict[str, int]:
    names = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending")
    return {name: counts[name] for name in names if counts[name]}


def later(days: int) -> datetime:
    return datetime(2026, 11, 25 + days, 12, 0, tzinfo=UTC)
