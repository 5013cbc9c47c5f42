"""What a person chose for the columns of a list, offered again for the next one with the same heading.

Nothing is stored for it: the plans of earlier imports are there, sealed, and say it. And a column that would become a
new field becomes the one that has its name already, whichever merge tag another service's file gave it.
"""

import re
from typing import Any

from samizdat import plugs
from samizdat.audience import tagging
from samizdat.audience.models import Import
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import open_json

SOURCE = "csv"  # lists from anywhere: of a service's own files its importer knows every column
LOOKED_AT = 100  # earlier imports, the newest first
ACCEPTED = ("waiting", "running", "stopped", "finished")
INVENTED = re.compile(r"Column \d+")  # a list without a heading, which says nothing about another one


def recall(organisation: Any, keys: OrganisationKeys, plan: Any) -> list[Any]:
    """Changes the plan to what is known here; a Problem (importers/base.py) for each file where that was chosen."""
    _by_name(tagging.all_fields(organisation, keys), plan)
    wanted = {_heading(file): None for file in plan.files if plan.source == SOURCE}
    wanted = {heading: None for heading in wanted if not all(map(INVENTED.fullmatch, heading))}
    if not wanted:
        return []
    chosen = _chosen(organisation, keys, set(wanted))
    problem = plugs.part("importers.base").Problem
    changed = [file for file in plan.files if _apply(file, chosen.get(_heading(file)))]
    plan.ask_again()
    return [problem("remembered", file.name, stops=False) for file in changed]


def _by_name(known: dict[str, tuple[int, str, str]], plan: Any) -> None:
    plain = plugs.part("importers.labels").plain
    named: dict[str, list[str]] = {}
    for tag, (_number, label, _default) in known.items():
        named.setdefault(plain(label), []).append(f"field:{tag}")
    for file in plan.files:
        taken = {column.becomes for column in file.columns}
        for column in file.columns:
            found = [field for field in named.get(plain(column.label), []) if field not in taken]
            if len(found) == 1 and column.becomes[:6] == "field:" and column.becomes[6:] not in known:
                column.becomes = found[0]
                taken.add(found[0])


def _heading(file: Any) -> tuple[str, ...]:
    return tuple(column.label for column in file.columns)


def _chosen(organisation: Any, keys: OrganisationKeys, wanted: set[tuple[str, ...]]) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    rows = Import.objects.filter(organisation=organisation, source=SOURCE, state__in=ACCEPTED).order_by("-id")
    for row in rows.only("id", "plan_sealed")[:LOOKED_AT]:
        told = open_json(keys, row.plan_sealed, "import", "plan", row.id) or {}
        for file in (told.get("plan") or {}).get("files", []):
            heading = tuple(column["label"] for column in file["columns"])
            if file.get("use") and heading in wanted:
                found.setdefault(heading, file["columns"])
        if len(found) == len(wanted):
            break
    return found


def _apply(file: Any, chosen: Any) -> bool:
    """Whether the columns become something else than was guessed."""
    if chosen is None:
        return False
    before = [(column.becomes, column.words) for column in file.columns]
    for column, told in zip(file.columns, chosen, strict=True):
        if _may_recall(column, told):
            column.becomes, column.asks = told["becomes"], ""
            # Words of this file that nobody explained before keep their guess, or are asked.
            worded = plugs.part("importers.base").is_worded(column.becomes)
            column.words = {**column.words, **told["words"]} if worded else {}
            plugs.part("importers.asking").again(column)
    return before != [(column.becomes, column.words) for column in file.columns]


def _may_recall(column: Any, told: dict[str, Any]) -> bool:
    """What was chosen before anybody was asked who left, gave or belongs, is no answer to that."""
    if column.why in plugs.part("importers.base").PRIVATE:
        return False
    if column.asks and not plugs.part("importers.base").is_worded(told["becomes"]):
        return False  # It held something harmless then, or was passed over on purpose; now it says that somebody left.
    return not column.asks or "asks" in told
