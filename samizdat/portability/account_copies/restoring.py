"""A standing copy becomes lists: its contacts come in as those of any export, by audience/imports."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience import tags_and_fields
from samizdat.audience.errors import NoSuchList
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.models import List
from samizdat.audience.queries import list_named
from samizdat.core.account_copy import OUT, Contact, Item
from samizdat.core.fields import RESERVED_TAGS, STANDARD_FIELDS
from samizdat.core.imports import FIELD_TAG, DetectedFile, ImportColumn, ImportPlan
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability.account_copies import people, pieces
from samizdat.portability.account_copies.copying import CopyStopped
from samizdat.portability.account_copies.records import CopyRefused, progress_of, settings_of
from samizdat.portability.models import AccountCopy
from samizdat.vault import keyring

# How a contact stands there -> how they come in. Who is archived may not be written to there, and nobody says why.
_STATUS = {"archived": "nonsubscribed"}
_WORDS = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending", "complained")
# Labels of the columns that are not the account's own.
_ADDRESS, _TIMES = "email", ("signed up", "confirmed", "left", "changed")
_TARGETS = ("opt_in_time", "confirm_time", "left_time", "last_changed")
LONGEST_NAME = 100
RESTORED: EventKind = "standing_copy.restored"

type Tell = Callable[[int, int], object]


@dataclass(slots=True)
class RestoredList:
    """One list of the account, and what became of it here. id: the service's. counts: of its imports, added up."""

    id: str
    name: str
    list: List
    counts: Counter[str] = field(default_factory=Counter)


def restore(
    row: AccountCopy,
    *,
    only: str = "",
    to: List | None = None,
    now: Callable[[], datetime],
    by: Person | None = None,
    tell: Tell = lambda _done, _whole: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[RestoredList]:
    """Contacts of all lists of the account, or of the one called `only`, come into lists of the same name, or into
    `to`. Again after a kill, or a day later: who is here already is compared, and the strongest no holds. Errors:
    CopyRefused, CopyStopped, and those of imports."""
    progress = progress_of(row)
    names = list_names(row)
    wanted = {id: name for id, name in names.items() if not only or only.casefold() in (name.casefold(), id)}
    if not progress.lines.get("contacts"):
        raise CopyRefused("nothing_copied", _("Nobody has been copied yet. Run the copy first."))
    if not wanted:
        sentence = _("The account has no list called “%(name)s”. It has: %(names)s.")
        raise CopyRefused("no_such_list", sentence % {"name": only, "names": ", ".join(names.values())})
    restoring = _Restoring(row, {id: _list(row.organization, name, to, now()) for id, name in wanted.items()}, names)
    done = 0
    for known in people.folded(row, progress):
        for id in wanted:
            if stop():
                raise CopyStopped
            contacts = [contact for (list_id, _address), contact in known.items() if list_id == id]
            restoring.bring(id, contacts, now, by)
            done += len(contacts)
            tell(done, progress.lines["contacts"])
    detail = {"lists": [each.list.pk for each in restoring.results.values()]}
    record(RESTORED, row.organization, about=row.pk, by=by, now=now(), detail=detail)
    return list(restoring.results.values())


def list_names(row: AccountCopy) -> dict[str, str]:
    """Id -> name, of the lists of the account. A service without lists has one, with the name of the account."""
    lists = {id: kept.item.name[:LONGEST_NAME] or id for id, kept in pieces.items(row, "lists").items()}
    settings = settings_of(row)
    return lists or {"": (settings.title or settings.label)[:LONGEST_NAME]}


def _list(organization: Organization, name: str, to: List | None, now: datetime) -> List:
    if to is not None:
        return to
    try:
        return list_named(organization, name)
    except NoSuchList:
        return audience.new_list(organization, name, now=now)


class _Restoring:
    def __init__(self, row: AccountCopy, lists: Mapping[str, List], names: Mapping[str, str]) -> None:
        self._row, self._lists = row, lists
        self._service = settings_of(row).service
        self._label = settings_of(row).label
        self.results = {id: RestoredList(id, names[id], list) for id, list in lists.items()}
        self._tag_names = {id: kept.item.name for id, kept in pieces.items(row, "tags").items()}
        self._groups = {id: kept.item for id, kept in pieces.items(row, "groups").items()}
        self._fields: dict[str, list[tuple[str, str, str]]] = {}
        self._name_fields()

    def bring(self, id: str, contacts: Sequence[Contact], now: Callable[[], datetime], by: Person | None) -> None:
        if not contacts:
            return
        table = _Table(self._fields.get(id, []), self._categories(id))
        for contact in contacts:
            table.add(contact, self._tags_of(contact), self._groups_of(contact))
        held = HeldUpload(self.results[id].name, table.content)
        plan = table.plan(self._service, held)
        basis = _("Copied from the account at %(service)s.") % {"service": self._label}
        run = imports.direct(self._row.organization, self._lists[id], [held], plan=plan, basis=basis, now=now, by=by)
        self.results[id].counts.update(run.counts)

    def _name_fields(self) -> None:
        """List -> tag there, tag here, label. Two lists may call different things MMERGE3, which an organization has
        once."""
        keys = keyring.keys(self._row.organization)
        taken = {tag: of[1].casefold() for tag, of in tags_and_fields.all_fields(self._row.organization, keys).items()}
        items = [kept.item for kept in pieces.items(self._row, "fields").values()]
        for item in sorted(items, key=_order):
            there = str(item.details.get("tag", ""))
            here = _free_tag(there, item.name, taken)
            if here:
                taken[here] = item.name.casefold()
                for id in self.results if item.details.get("of_all") else [item.list]:
                    self._fields.setdefault(id, []).append((there, here, item.name or there))

    def _categories(self, list_id: str) -> list[str]:
        mine = [item for item in self._groups.values() if item.list == list_id]
        return list(dict.fromkeys(_category(item) for item in sorted(mine, key=_order) if _category(item)))

    def _tags_of(self, contact: Contact) -> list[str]:
        names = [self._tag_names[id] for id in contact.tags if self._tag_names.get(id)]
        return [*names, "VIP"] if contact.vip else names

    def _groups_of(self, contact: Contact) -> dict[str, list[str]]:
        chosen: dict[str, list[str]] = {}
        for id in contact.groups:
            if item := self._groups.get(id):
                chosen.setdefault(_category(item), []).append(item.name)
        return chosen


class _Table:
    """Contacts of one list as a table of ours, and the plan that says what each column is."""

    def __init__(self, fields: Sequence[tuple[str, str, str]], categories: Sequence[str]) -> None:
        self._fields, self._categories, self.rows = fields, categories, 0
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._targets = [
            (_ADDRESS, "address"),
            ("status", "status"),
            *zip(_TIMES, _TARGETS, strict=True),
            ("reason", "left_reason"),
            ("language", "language"),
            ("tags", "tags"),
            *((label, f"field:{here}") for _there, here, label in fields),
            *((category, f"group:{category}") for category in categories),
        ]
        self._writer.writerow([label for label, _target in self._targets])

    def add(self, contact: Contact, tags: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        self.rows += 1
        is_out = contact.status in OUT
        self._writer.writerow(
            [
                contact.address,
                _STATUS.get(contact.status, contact.status),
                contact.signed_up,
                contact.returned or contact.opted_in,
                contact.left if is_out else "",
                contact.changed,
                contact.reason if is_out else "",
                contact.language,
                _line(tags),
                *(contact.fields.get(there, "") for there, _here, _label in self._fields),
                *(", ".join(name.replace(",", "\\,") for name in groups.get(each, ())) for each in self._categories),
            ]
        )

    @property
    def content(self) -> bytes:
        return self._text.getvalue().encode("utf-8", "replace")

    def plan(self, source: str, held: HeldUpload) -> ImportPlan:
        columns = [
            ImportColumn(
                index, label, becomes=target, words={word: word for word in _WORDS} if target == "status" else {}
            )
            for index, (label, target) in enumerate(self._targets)
        ]
        file = DetectedFile(
            held.name, 0, None, "columns", "utf-8", ",", columns, size=len(held.data), about_rows=self.rows
        )
        return ImportPlan(source, [file])


def _line(tags: Sequence[str]) -> str:
    """A cell that is a line of CSV again."""
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(tags)
    return line.getvalue() if tags else ""


def _category(item: Item) -> str:
    return str(item.details.get("category", "")).strip()


def _order(item: Item) -> tuple[str, int, str]:
    order = item.details.get("order", 0)
    return item.list, order if isinstance(order, int) else 0, item.id


def _free_tag(wish: str, label: str, taken: Mapping[str, str]) -> str:
    """A tag for a field: its own where that is free, or its field has the same label; "" for what can be none."""
    if wish in STANDARD_FIELDS:
        return wish
    wish = wish.upper()
    if not FIELD_TAG.fullmatch(wish) or wish in RESERVED_TAGS:
        wish = "FIELD"
    for count in range(1, 1_000):
        tag = wish if count == 1 else f"{wish[: 10 - len(str(count))]}{count}"
        if tag not in taken or taken[tag] == label.casefold():
            return tag
    return ""
