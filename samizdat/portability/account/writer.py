"""Stores what a whole account holds besides its subscribers, each thing once, however often and in how many exports it
comes."""

import html
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import limited_process
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import Import, List
from samizdat.campaigns import actions
from samizdat.campaigns.archive import sent_elsewhere
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import SentElsewhere
from samizdat.campaigns.errors import CampaignError, StorageFull
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.campaigns.senders import default_sender
from samizdat.campaigns.templates import import_template
from samizdat.core.account_export import AccountItem
from samizdat.core.content.problems import fill
from samizdat.core.content.templates.import_template import take_letter
from samizdat.core.content.templates.notes import SENTENCES, TemplateRefused
from samizdat.events.actions import record
from samizdat.portability.parts.base import Places

KINDS = ("image", "template", "draft", "sent")


@dataclass(slots=True)
class BroughtPeople:
    """Subscribers of one audience, or of a part of it, by one import; `warnings`: what was assumed about its files."""

    key: str
    list_name: str
    to: List
    counts: dict[str, int]
    import_id: int
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class AccountImportTotals:
    """What became of an account's things: how many of each kind were added and were here already; why others were left
    out: (name, sentence)."""

    people: list[BroughtPeople] = field(default_factory=list)
    added: Counter[str] = field(default_factory=Counter)
    here: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: int = 0  # Addresses of images that are not in the export: they lead to the service still.

    def finish(self, row: Import, now: datetime) -> None:
        """Shows the web versions of what was sent, and says in the log what came."""
        if self.added["sent"]:
            record("campaigns.restored", row.organization, now=now, by=row.by, detail={"letters": self.added["sent"]})


class AccountWriter:
    """Takes item after item; each is stored in a transaction with where it went, so that a killed one goes on."""

    def __init__(
        self,
        row: Import,
        lists: Mapping[str, List],
        usual: List,
        *,
        service: str,
        listed: bool,
        now: datetime,
        totals: AccountImportTotals,
    ) -> None:
        """lists: by how campaigns name an audience; usual: for campaigns of none of them. listed: sent campaigns stand
        in the public archive. totals: filled in."""
        self.totals = totals
        self._row, self._organization, self._now, self._by = row, row.organization, now, row.by
        self._lists, self._usual, self._listed, self._service = lists, usual, listed, service
        self._places = Places(row, now, row.by, {}, {})
        for earlier in Import.objects.filter(organization=row.organization, source=row.source).order_by("pk"):
            self._places.load_from(earlier)
        # Name of a file -> its address here; "" where several images are called so.
        self._addresses: dict[str, str] = {}
        self._fields = [*import_template.ALWAYS, *(view.tag for view in audience.fields(row.organization))]

    def take(self, item: AccountItem) -> None:
        """Errors: StorageFull, and it can go on once there is room."""
        here = self._places.here(item.kind, item.key)
        if here is not None and self._is_there(item.kind, here):
            self.totals.here[item.kind] += 1
            if item.kind == "image":
                self._name_image(item, str(here))
            return
        try:
            if item.kind == "image":
                self._take_image(item)
            elif item.kind == "template":
                self._take_template(item)
            else:
                self._take_campaign(item)
        except StorageFull:
            raise
        except (CampaignError, TemplateRefused, limited_process.TooMuch, limited_process.HelperBroke) as refused:
            self.totals.refused.append((item.name, _sentence(refused)))
        else:
            self.totals.added[item.kind] += 1

    def _is_there(self, kind: str, here: int | str) -> bool:
        """Whoever threw it away may bring it in again."""
        organization = self._organization
        if kind == "image":
            return Picture.objects.filter(organization=organization, slug=here).exists()
        kept = Template if kind == "template" else Campaign
        return kept.objects.filter(organization=organization, pk=here).exists()

    def _put(self, item: AccountItem, here: int | str) -> None:
        self._places.put(item.kind, item.key, here)

    # -- images -------------------------------------------------------------------------------------------------

    def _take_image(self, item: AccountItem) -> None:
        picture = library.decode(self._organization, item.page)  # It takes seconds, so in no transaction.
        with transaction.atomic():
            kept = library.keep(self._organization, picture, self._now, name=PurePosixPath(item.name).stem, by=self._by)
            self._put(item, kept.slug)
        self._name_image(item, kept.slug)

    def _name_image(self, item: AccountItem, slug: str) -> None:
        name = (item.shown_as or item.name).casefold()
        kind = Picture.objects.filter(organization=self._organization, slug=slug).values_list("kind", flat=True).get()
        address = library.address_of(self._organization, slug, kind)
        self._addresses[name] = address if self._addresses.get(name, address) == address else ""

    def _with_own_images(self, item: AccountItem) -> bytes:
        """The page with our addresses of the account's images."""
        out, position = list[bytes](), 0
        for shown in item.images:
            address = self._addresses.get(shown.name.casefold(), "")
            self.totals.elsewhere += not address
            if address and position <= shown.start <= shown.end <= len(item.page):
                out += [item.page[position : shown.start], address.encode()]
                position = shown.end
        return b"".join([*out, item.page[position:]])

    # -- templates and campaigns --------------------------------------------------------------------------------

    def _take_template(self, item: AccountItem) -> None:
        import_template.take_in(
            self._organization,
            item.name[: import_template.LONGEST_NAME],
            self._with_own_images(item),
            by=self._by,
            now=self._now,
            on_stored=lambda template: self._put(item, template.pk),
        )

    def _take_campaign(self, item: AccountItem) -> None:
        page = self._with_own_images(item) if item.is_html else _as_html(item.page)
        body = limited_process.work(self._organization.pk, take_letter, page, self._fields)
        list_ = self._lists.get(item.audience, self._usual)
        sender = default_sender(list_, None)
        draft = Draft(
            subject=item.subject or item.name,
            preheader=item.preheader,
            from_name=item.from_name or sender.name,
            from_email=item.from_email or sender.email,
            reply_to="" if item.from_email else sender.reply_to,
            body=body,
            format="html",
        )
        sent_at = self._moment(item.sent_at) if item.kind == "sent" else None
        with transaction.atomic():
            if sent_at is None:
                kept = actions.create(self._organization, list_, draft, by=self._by, now=self._now)
            else:
                kept = sent_elsewhere.keep(
                    self._organization,
                    list_,
                    draft,
                    SentElsewhere(self._service, item.totals),
                    at=sent_at,
                    listed=self._listed,
                    by=self._by,
                    language=leading(self._organization).language,
                )
            self._put(item, kept.pk)

    def _moment(self, text: str) -> datetime:
        """Errors: CampaignError, for a day that no campaign was sent on."""
        try:
            written = datetime.fromisoformat(text)
            zone = written.tzinfo or ZoneInfo(self._organization.timezone)
            there = written.replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            raise CampaignError(_("The day on which it was sent can’t be read.")) from None
        if not datetime(2000, 1, 1, tzinfo=UTC) < there <= self._now:
            raise CampaignError(_("The day on which it was sent can’t be read."))
        return there


def _as_html(data: bytes) -> bytes:
    text = html.escape(data.decode("utf-8", "replace").replace("\r\n", "\n"))
    paragraphs = (part.strip().replace("\n", "<br>") for part in re.split(r"\n[ \t]*\n", text))
    return "".join(f"<p>{part}</p>\n" for part in paragraphs if part).encode()


def _sentence(refused: Exception) -> str:
    if isinstance(refused, TemplateRefused):
        return fill(_(SENTENCES[refused.code]), refused.values)
    if isinstance(refused, limited_process.TooMuch | limited_process.HelperBroke):
        return _("It takes too long to read. Make it smaller and import it again.")
    return str(refused)
