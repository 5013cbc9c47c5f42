"""What a person chose for the columns of a list, offered again for the next one with the same heading.

Nothing is stored for it: the plans of earlier imports are there, sealed, and say it. And a column that would become a
new field becomes the one that has its name already, whichever merge tag another service's file gave it.
"""

import re

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.imports.documents import ImportDocument
from samizdat.audience.models import Import
from samizdat.core.imports import PRIVATE, DetectedFile, ImportColumn, ImportPlan, Problem, is_worded
from samizdat.vault.keyring import OrganizationKeys

SOURCE = "csv"  # lists from anywhere: of a service's own files its importer knows every column
LOOKED_AT = 100  # earlier imports, the newest first
ACCEPTED = ("waiting", "running", "stopped", "finished")
type Choices = list[ImportColumn]  # the columns of a plan that was kept

INVENTED = re.compile(r"Column \d+")  # a list without a heading, which says nothing about another one


def recall(organization: Organization, keys: OrganizationKeys, plan: ImportPlan) -> list[Problem]:
    """Changes the plan to what is known here; a Problem for each file where that was chosen."""
    _by_name(tags_and_fields.all_fields(organization, keys), plan)
    wanted = {_heading(file): None for file in plan.files if plan.source == SOURCE}
    wanted = {heading: None for heading in wanted if not all(map(INVENTED.fullmatch, heading))}
    if not wanted:
        return []
    chosen = _chosen(organization, keys, set(wanted))
    changed = [file for file in plan.files if _apply(file, chosen.get(_heading(file)))]
    plan.ask_again()
    return [Problem("remembered", file.name, stops=False) for file in changed]


def _by_name(known: dict[str, tuple[int, str, str]], plan: ImportPlan) -> None:
    plain = plugins.plain_label
    named: dict[str, list[str]] = {}
    for tag, (_number, label, _default) in known.items():
        named.setdefault(plain(label), []).append(f"field:{tag}")
    for file in plan.files:
        taken = {column.becomes for column in file.columns}
        for column in file.columns:
            matches = [field for field in named.get(plain(column.label), []) if field not in taken]
            if len(matches) == 1 and column.becomes[:6] == "field:" and column.becomes[6:] not in known:
                column.becomes = matches[0]
                taken.add(matches[0])


def _heading(file: DetectedFile) -> tuple[str, ...]:
    return tuple(column.label for column in file.columns)


def _chosen(
    organization: Organization, keys: OrganizationKeys, wanted: set[tuple[str, ...]]
) -> dict[tuple[str, ...], Choices]:
    by_heading: dict[tuple[str, ...], Choices] = {}
    rows = Import.objects.filter(organization=organization, source=SOURCE, state__in=ACCEPTED).order_by("-id")
    for row in rows.only("id", "plan_sealed")[:LOOKED_AT]:
        plan = keys.open_json(row.plan_sealed, "import", "plan", row.id, ImportDocument).plan
        for file in plan.files if plan else ():
            if file.use and _heading(file) in wanted:
                by_heading.setdefault(_heading(file), file.columns)
        if len(by_heading) == len(wanted):
            break
    return by_heading


def _apply(file: DetectedFile, chosen: Choices | None) -> bool:
    """Whether the columns become something else than was guessed."""
    if chosen is None:
        return False
    before = [(column.becomes, column.words) for column in file.columns]
    for column, choice in zip(file.columns, chosen, strict=True):
        if _may_recall(column, choice):
            column.becomes, column.asks = choice.becomes, ""
            # Words of this file that nobody explained before keep their guess, or are asked.
            column.words = {**column.words, **choice.words} if is_worded(column.becomes) else {}
            plugins.ask_again(column)
    return before != [(column.becomes, column.words) for column in file.columns]


def _may_recall(column: ImportColumn, choice: ImportColumn) -> bool:
    if column.why in PRIVATE:
        return False
    # Else it held something harmless then, or was passed over on purpose; now it says that somebody left.
    return not column.asks or is_worded(choice.becomes)
