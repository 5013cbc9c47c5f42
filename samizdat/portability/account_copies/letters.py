"""Of a standing copy, what was written: campaigns become drafts, with their images, and templates become templates."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from msgspec.structs import replace

from samizdat.accounts.models import Person
from samizdat.audience.models import List
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import BadPicture, CampaignError
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.campaigns.templates import import_template
from samizdat.core.account_copy import Item
from samizdat.core.content.templates.notes import TemplateRefused
from samizdat.portability.account_copies import copying, pieces
from samizdat.portability.account_copies.copying import CopyStopped
from samizdat.portability.account_copies.pieces import KeptItem
from samizdat.portability.account_copies.records import progress_of, put_progress
from samizdat.portability.models import AccountCopy

# As the service calls what was sent.
SENT = "sent"
LONGEST_NAME = 100


@dataclass(slots=True)
class RestoredLetters:
    """How many were created now; `left`: what could not be, with the reason."""

    drafts: int = 0
    templates: int = 0
    images: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


def restore(
    copy: AccountCopy,
    lists: Mapping[str, List],
    *,
    sent: int = 0,
    now: Callable[[], datetime],
    by: Person | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> RestoredLetters:
    """Drafts of campaigns that were not sent and of the `sent` newest ones that were, for these lists (the account's id
    -> list here); templates; and the images that are in them. What was restored before is not created again. Errors:
    CopyStopped, CopyTaken, SealBroken."""
    row = copying.take(copy.pk, now())
    try:
        return _LetterRestoring(row, lists, now, by, stop).go(sent)
    finally:
        copying.let_go(row)


class _LetterRestoring:
    def __init__(
        self,
        row: AccountCopy,
        lists: Mapping[str, List],
        now: Callable[[], datetime],
        by: Person | None,
        stop: Callable[[], bool],
    ) -> None:
        self._row, self._lists, self._now, self._by, self._stop = row, lists, now, by, stop
        self._before = dict(progress_of(row).restored)
        self._files = {str(kept.item.details.get("url", "")): kept for kept in pieces.items(row, "files").values()}
        self.result = RestoredLetters()

    def go(self, sent: int) -> RestoredLetters:
        for kept in _chosen(pieces.items(self._row, "campaigns"), sent):
            self._each(kept, Campaign, self._draft)
        for kept in pieces.items(self._row, "templates").values():
            self._each(kept, Template, self._template)
        return self.result

    def _each(self, kept: KeptItem, model: Any, create: Callable[[KeptItem], int | None]) -> None:
        if self._stop():
            raise CopyStopped
        known = self._before.get(_key(kept.item))
        if known is not None and model.objects.filter(organization=self._row.organization, pk=known).exists():
            return
        try:
            number = create(kept)
        except (CampaignError, TemplateRefused) as refused:
            self._leave(kept.item, str(refused))
            return
        if number is not None:
            self._note(_key(kept.item), number)

    def _note(self, key: str, number: int) -> None:
        self._before[key] = number
        put_progress(self._row, replace(progress_of(self._row), restored=self._before))

    def _leave(self, item: Item, reason: str) -> None:
        self.result.left.append((item.name or item.id, reason))

    def _draft(self, kept: KeptItem) -> int | None:
        details, content = kept.item.details, _document(pieces.body(self._row, kept))
        html, plain = content.get("html"), content.get("plain_text")
        text = html if isinstance(html, str) and html.strip() else plain if isinstance(plain, str) else ""
        to = self._lists.get(str(details.get("list", ""))) or next(iter(self._lists.values()), None)
        if to is None or not text.strip():
            return None
        draft = Draft(
            subject=str(details.get("subject_line", "")),
            preheader=str(details.get("preview_text", "")),
            from_name=str(details.get("from_name", "")),
            from_email=str(details.get("reply_to", "")),
            body=self._with_images(text) if text is html else text,
            format="html" if text is html else "markdown",
        )
        campaign = campaigns.create(self._row.organization, to, draft, by=self._by, now=self._now())
        self.result.drafts += 1
        return campaign.pk

    def _template(self, kept: KeptItem) -> int | None:
        """The texts of its regions: the service gives no more of it."""
        sections = _document(pieces.body(self._row, kept)).get("sections")
        regions = [
            f'<div mc:edit="{escape(name)}">{self._with_images(text)}</div>'
            for name, text in (sections.items() if isinstance(sections, dict) else ())
            if isinstance(text, str)
        ]
        if not regions:
            return None
        page = f"<!DOCTYPE html><html><body>{''.join(regions)}</body></html>"
        report = import_template.take_in(
            self._row.organization, kept.item.name[:LONGEST_NAME], page.encode(), by=self._by, now=self._now()
        )
        self.result.templates += 1
        return report.template.pk

    def _with_images(self, html: str) -> str:
        """With our addresses for the images that were copied and are in it."""
        for url, kept in self._files.items():
            if url and url in html and (address := self._address(kept)):
                html = html.replace(url, address)
        return html

    def _address(self, kept: KeptItem) -> str:
        """Of an image in Media; "" for what is none."""
        organization, known = self._row.organization, self._before.get(_key(kept.item))
        picture = Picture.objects.filter(organization=organization, pk=known).first() if known else None
        if picture is None and kept.parts:
            try:
                content = pieces.body(self._row, kept)
                picture = library.take_in(organization, content, self._now(), name=kept.item.name, by=self._by)
            except BadPicture as refused:
                self._leave(kept.item, str(refused))
                return ""
            self._note(_key(kept.item), picture.pk)
            self.result.images += 1
        return library.url_of(organization, picture) if picture else ""


def _chosen(items: Mapping[str, KeptItem], sent: int) -> Iterator[KeptItem]:
    """What was not sent, then the newest of what was."""
    yield from (kept for kept in items.values() if kept.item.details.get("status") != SENT)
    over = [kept for kept in items.values() if kept.item.details.get("status") == SENT]
    yield from sorted(over, key=lambda kept: str(kept.item.details.get("sent", "")), reverse=True)[:sent]


def _key(item: Item) -> str:
    return f"{item.section} {item.id}"


def _document(content: bytes) -> Mapping[str, Any]:
    """What the service answered, as it was kept."""
    document = json.loads(content) if content else {}
    return document if isinstance(document, dict) else {}
