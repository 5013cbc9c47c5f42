"""A standing copy as the source of an import: its contacts come in as those of any export, then what was written."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from html import escape
from typing import Any

from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience import tags_and_fields
from samizdat.audience.imports.documents import NO_OPTIONS, ImportOptions
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.core.account_copy import DELETED, OUT, UNTICKED, Contact, Item, standing
from samizdat.core.account_export import (
    LONGEST_NAME,
    LONGEST_URL,
    AccountAudience,
    AccountContents,
    AccountItem,
    LeftBehind,
    LeftKind,
    ShownImage,
)
from samizdat.core.fields import RESERVED_TAGS, STANDARD_FIELDS
from samizdat.core.imports import FIELD_TAG, DetectedFile, ImportColumn, ImportPlan
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability.account.source import PeoplePart
from samizdat.portability.account.writer import AccountImportTotals
from samizdat.portability.account_copies import people, pieces
from samizdat.portability.account_copies.pieces import KeptItem
from samizdat.portability.account_copies.records import progress_of, settings_of
from samizdat.portability.models import AccountCopy
from samizdat.vault import keyring

# How a contact stands there -> how they come in. Who is archived may not be written to there, and nobody says why.
# Nor of who was deleted, who may have asked for it.
_STATUS = {"archived": "nonsubscribed", DELETED: "nonsubscribed", UNTICKED: "nonsubscribed"}
_WORDS = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending", "complained")
# Labels of the columns that are not the account's own.
_ADDRESS, _TIMES = "email", ("signed up", "confirmed", "left", "changed")
_TARGETS = ("opt_in_time", "confirm_time", "left_time", "last_changed")
LONGEST_LIST_NAME = 100
RESTORED: EventKind = "standing_copy.restored"
# As the service calls what was sent, and a file that is an image.
SENT, IMAGE = "sent", "image"
# How many things that stay out are named.
NAMED = 20
# Of its reports, what becomes of a campaign's numbers.
_TOTALS = {
    "recipients": ("emails_sent",),
    "bounced": ("bounces.hard_bounces", "bounces.soft_bounces"),
    "unsubscribed": ("unsubscribed",),
    "complaints": ("abuse_reports",),
    "clicks": ("clicks.clicks_total",),
}


class CopiedAccount:
    """An AccountSource. names: id of a list of the account -> name of its list here; of those lists alone.
    keep_deleted, keep_unticked: as of AccountRules."""

    def __init__(
        self,
        row: AccountCopy,
        names: Mapping[str, str],
        options: ImportOptions = NO_OPTIONS,
        *,
        keep_deleted: bool = False,
        keep_unticked: bool = False,
    ) -> None:
        settings = settings_of(row)
        self.service, self.left = settings.label, list[tuple[str, str]]()
        self.basis = _("Copied from the account at %(service)s.") % {"service": settings.label}
        self._row, self._names, self._options, self._kind = row, names, options, settings.service
        self._keeps = {"keep_deleted": keep_deleted, "keep_unticked": keep_unticked}
        self._tables = _Tables(row, names, self._keeps)

    # -- subscribers --

    def parts(self) -> Iterator[PeoplePart]:
        """As many at a time as fit into memory. A part is another one once more was copied."""
        progress = progress_of(self._row)
        for number, known in enumerate(people.folded(self._row, progress)):
            for id, name in self._names.items():
                contacts = [contact for (list_id, _address), contact in known.items() if list_id == id]
                if contacts:
                    held, plan = self._tables.of(id, name, contacts, self._kind)
                    kept = "".join(f" {name.removeprefix('keep_')}" for name, keeps in self._keeps.items() if keeps)
                    key = f"{self._kind} {self._row.pk} {id} {number} {progress.pieces}{kept}"
                    yield PeoplePart(key, id, name, held, self._kind, self._options, plan)

    def note(self, totals: AccountImportTotals, now: datetime, by: Person | None) -> None:
        detail = {"lists": sorted({part.to.pk for part in totals.people})}
        record(RESTORED, self._row.organization, about=self._row.pk, by=by, now=now, detail=detail)

    # -- what was written --

    def contents(self) -> AccountContents:
        files, campaigns = self._of("files"), self._of("campaigns")
        templates = [kept for kept in self._of("templates") if not kept.missing]
        sent = [kept for kept in campaigns if _is_sent(kept.item)]
        return AccountContents(
            audiences=tuple(AccountAudience(id, name[:LONGEST_NAME]) for id, name in list_names(self._row).items()),
            images=sum(_is_image(kept) for kept in files),
            templates=len(templates),
            drafts=sum(not kept.missing for kept in campaigns if not _is_sent(kept.item)),
            sent=sum(not kept.missing for kept in sent),
            left=(*self._left_behind(), *self._uncopied()),
        )

    def items(self) -> Iterator[AccountItem]:
        yield from map(self._image, self._image_files)
        yield from self._with_text("templates", self._template)
        yield from self._with_text("campaigns", self._campaign)

    def _of(self, section: str) -> list[KeptItem]:
        return list(pieces.items(self._row, section).values())

    def _left_behind(self) -> Iterator[LeftBehind]:
        files = [kept for kept in self._of("files") if not kept.missing and not _is_image(kept)]
        written = [*self._of("campaigns"), *self._of("templates"), *self._of("files")]
        yield from _left("other_files", [_name(kept.item) for kept in files])
        yield from _left("missing", [_name(kept.item) for kept in written if kept.missing])

    def _uncopied(self) -> Iterator[LeftBehind]:
        for name, count in progress_of(self._row).totals.uncopied.items():
            yield LeftBehind("uncopied", count, (name.replace("_", " "),))

    def _image(self, kept: KeptItem) -> AccountItem:
        item = kept.item
        page = pieces.body(self._row, kept)
        return AccountItem("image", self._key(item), _name(item), page, shown_as=_url(item))

    def _with_text(self, section: str, make: Callable[[Item, Mapping[str, Any]], AccountItem]) -> Iterator[AccountItem]:
        for kept in self._of(section):
            if kept.missing:
                continue
            item = make(kept.item, _document(pieces.body(self._row, kept)))
            if item.page.strip():
                yield item
            else:
                self.left.append((item.name, _("It has no text.")))

    def _campaign(self, item: Item, content: Mapping[str, Any]) -> AccountItem:
        details, html, plain = item.details, content.get("html"), content.get("plain_text")
        is_html = isinstance(html, str) and bool(html.strip())
        text = html if is_html else plain
        page = text.encode() if isinstance(text, str) else b""
        is_sent = _is_sent(item)
        return AccountItem(
            "sent" if is_sent else "draft",
            self._key(item),
            _name(item),
            page,
            is_html,
            subject=_text(details.get("subject_line")),
            audience=_text(details.get("list")),
            sent_at=_text(details.get("sent"))[:40] if is_sent else "",
            totals=self._totals(item.id) if is_sent else {},
            images=self._images(page),
            preheader=_text(details.get("preview_text")),
            from_name=_text(details.get("from_name")),
            from_email=_text(details.get("reply_to")),
        )

    def _template(self, item: Item, content: Mapping[str, Any]) -> AccountItem:
        """The texts of its regions: the service gives no more of it."""
        sections = content.get("sections")
        regions = [
            f'<div mc:edit="{escape(name)}">{text}</div>'
            for name, text in (sections.items() if isinstance(sections, dict) else ())
            if isinstance(text, str)
        ]
        page = f"<!DOCTYPE html><html><body>{''.join(regions)}</body></html>".encode() if regions else b""
        return AccountItem("template", self._key(item), _name(item), page, images=self._images(page))

    def _images(self, page: bytes) -> tuple[ShownImage, ...]:
        """Where a page shows images of the account."""
        shown = []
        for kept in self._image_files:
            url = _url(kept.item)
            if not url:
                continue
            at = page.find(url.encode())
            while at >= 0:
                shown.append(ShownImage(at, at + len(url.encode()), url))
                at = page.find(url.encode(), at + len(url.encode()))
        # Of two addresses that begin alike it is the longer one.
        return tuple(sorted(shown, key=lambda image: (image.start, -image.end)))

    @cached_property
    def _image_files(self) -> list[KeptItem]:
        return [kept for kept in self._of("files") if _is_image(kept)]

    @cached_property
    def _reports(self) -> dict[str, object]:
        """Id of a campaign -> its totals."""
        return {kept.item.id: kept.item.details.get("totals") for kept in self._of("reports")}

    def _totals(self, id: str) -> dict[str, int]:
        report = self._reports.get(id)
        if not isinstance(report, dict):
            return {}
        totals = {
            name: sum(report[part] for part in parts if part in report)
            for name, parts in _TOTALS.items()
            if any(part in report for part in parts)
        }
        if "recipients" in totals:
            totals["delivered"] = max(0, totals["recipients"] - totals.get("bounced", 0))
        return totals

    def _key(self, item: Item) -> str:
        return f"{self._kind} {item.id}"[:LONGEST_NAME]


def list_names(row: AccountCopy) -> dict[str, str]:
    """Id -> name, of the lists of the account. A service without lists has one, with the name of the account."""
    lists = {id: kept.item.name[:LONGEST_LIST_NAME] or id for id, kept in pieces.items(row, "lists").items()}
    settings = settings_of(row)
    return lists or {"": (settings.title or settings.label)[:LONGEST_LIST_NAME]}


def _left(kind: LeftKind, names: Collection[str]) -> Iterator[LeftBehind]:
    if names:
        yield LeftBehind(kind, len(names), tuple(names)[:NAMED])


def _name(item: Item) -> str:
    return (item.name or item.id)[:LONGEST_NAME]


def _text(value: object) -> str:
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def _url(item: Item) -> str:
    url = item.details.get("url")
    return url if isinstance(url, str) and len(url) <= LONGEST_URL else ""


def _is_image(kept: KeptItem) -> bool:
    return not kept.missing and kept.item.details.get("type", IMAGE) == IMAGE


def _is_sent(item: Item) -> bool:
    return item.details.get("status") == SENT and bool(item.details.get("sent"))


def _document(content: bytes) -> Mapping[str, Any]:
    """What the service answered, as it was kept."""
    document = json.loads(content) if content else {}
    return document if isinstance(document, dict) else {}


# -- contacts as a table ----------------------------------------------------------------------------------------------


class _Tables:
    """Contacts of a copy as files of ours, with plans that say what each column is."""

    def __init__(self, row: AccountCopy, lists: Collection[str], keeps: Mapping[str, bool]) -> None:
        self._keeps = keeps
        self._tag_names = {id: kept.item.name for id, kept in pieces.items(row, "tags").items()}
        self._groups = {id: kept.item for id, kept in pieces.items(row, "groups").items()}
        self._fields: dict[str, list[tuple[str, str, str]]] = {}
        self._name_fields(row, lists)

    def of(self, id: str, name: str, contacts: Sequence[Contact], source: str) -> tuple[HeldUpload, ImportPlan]:
        table = _Table(self._fields.get(id, []), self._categories(id))
        for contact in contacts:
            status = standing(contact, **self._keeps)
            table.add(contact, status, self._tags_of(contact), self._groups_of(contact))
        held = HeldUpload(name, table.content)
        return held, table.plan(source, held)

    def _name_fields(self, row: AccountCopy, lists: Collection[str]) -> None:
        """List -> tag there, tag here, label. Two lists may call different things MMERGE3, which an organization has
        once."""
        keys = keyring.keys(row.organization)
        taken = {tag: of[1].casefold() for tag, of in tags_and_fields.all_fields(row.organization, keys).items()}
        for item in sorted((kept.item for kept in pieces.items(row, "fields").values()), key=_order):
            there = str(item.details.get("tag", ""))
            here = _free_tag(there, item.name, taken)
            if here:
                taken[here] = item.name.casefold()
                for id in lists if item.details.get("of_all") else [item.list]:
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

    def add(self, contact: Contact, status: str, tags: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        self.rows += 1
        is_out = contact.status in OUT
        self._writer.writerow(
            [
                contact.address,
                _STATUS.get(status, status),
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
