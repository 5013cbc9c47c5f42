"""What conditions of segments on a list have in common in SQL."""

from samizdat.core.segment.condition import SqlCondition, SqlSubject
from samizdat.db import on_sqlite


def of_list(
    about: SqlSubject, list_id: int, condition: SqlCondition | None = None, along_index: str = ""
) -> SqlCondition:
    """That the subscriber has a subscription `uu` to the list (0: to any) for which a condition is true."""
    text, values = about.of_subscriber("uu"), list[object]()
    if list_id:
        text, values = f"{text} AND uu.list_id = %s", [list_id]
    if condition:
        text, values = f"{text} AND {condition.text}", [*values, *condition.values]
    return about.exists(f"audience_subscription uu{along_index}", text, *values)


def along(index: str) -> str:
    """SQLite would take the key, and look at the row for the status or the answer about appeals."""
    return f" INDEXED BY {index}" if on_sqlite() else ""
