"""Numbers, days and times of an export: nothing is taken that ours do not write. JSON has true and 1.5 where a number
belongs, and Python makes numbers of both; a day of the year 9999 is one, until somebody asks for the day after it."""

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import Meta

# A clock that was never set begins in 1970.
YEARS = range(1970, 2200)
# Sums and books: with room for thousands of them to be added up in a column.
MANY = 1 << 40
type Whole = Annotated[int, Meta(ge=0, le=MANY)]


def whole(value: Any, most: int = MANY, least: int = 0) -> int:
    """Errors: ValueError."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def digits(cell: str, most: int = MANY, least: int = 0) -> int:
    """The number in a cell. Errors: ValueError."""
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError
    return whole(int(cell), most, least)


def day(text: str) -> date:
    """Errors: TypeError, ValueError."""
    parsed = date.fromisoformat(text)
    if parsed.year not in YEARS:
        raise ValueError
    return parsed


def moment(text: str) -> datetime:
    """Errors: TypeError, ValueError, for one without a zone as well."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at.year not in YEARS:
        raise ValueError
    return at


def without_nul(value: object) -> object:
    """The same without the sign that PostgreSQL can't hold and nobody sees."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    return value
