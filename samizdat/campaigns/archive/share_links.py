"""A letter shown to somebody without an account, by a link that ends; and what they answer.

The desk serves it: drafts are sealed, and the public process must not be able to read one (threat model, T4). Of the
token only a keyed hash is kept, of whoever opens it nothing. Only words and the time of an answer are written down.
A MAC binds the row to its letter: whoever writes the database and has one link would read every draft by it.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts import row_macs, sealed_settings
from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Person
from samizdat.campaigns.approval import bond_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, ShareAnswer, ShareLink, large
from samizdat.campaigns.opened import open_campaign
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring

DAYS = 7
LONGEST_NOTE, LONGEST_NAME, LONGEST_TEXT = 120, 80, 4000
# Of one link: it is for one person or a few, who read once or twice.
MOST_LINKS, MOST_ANSWERS, MOST_A_MINUTE = 20, 50, 5
# A letter that left, or that nobody will send any more, needs no yes.
OPEN_STATES = ("draft", "scheduled", "held")


class LinkGone(CampaignError):
    """The link ended, was withdrawn, or never was one: nobody can tell which."""

    code = "link_gone"


class TooMany(CampaignError):
    """More links or answers than anybody needs; `code` for the status."""

    code = "too_many"


class LinkChanged(CampaignError):
    """The letter is another one than was read; nothing was written down."""

    code = "changed"


@dataclass(frozen=True, slots=True)
class LinkView:
    number: int
    note: str
    until: datetime
    by: Any


class ShareFeedback(Struct, frozen=True):
    """What is sealed of an answer. `yes`: they agreed, else they only said something. `bond`: to which letter."""

    name: str
    text: str
    yes: bool
    bond: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """`note`: of the link it came by. `stands`: it is about the letter as it is now."""

    at: datetime
    note: str
    feedback: ShareFeedback
    stands: bool


def share(campaign: Campaign, note: str, *, now: datetime, by: Person | None) -> str:
    """The token of a new link. Shown once: only its hash is kept. Errors: LinkGone once it left, TooMany."""
    if campaign.state not in OPEN_STATES:
        raise LinkGone(_("This campaign is already being sent. It no longer needs approval."))
    if len(links(campaign, now)) >= MOST_LINKS:
        raise TooMany(_("There are already %(n)s links to this campaign. Revoke one first.") % {"n": MOST_LINKS})
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        row = ShareLink(campaign=campaign, token_hash=_hashes(token)[0], until=now + timedelta(days=DAYS), by=by)
        row.save()
        row.mac = _mac(row)
        keys = keyring.keys(campaign.organization)
        note = " ".join(note.split())[:LONGEST_NOTE]
        row.note_sealed = keys.seal_json(note, "sharelink", "note", row.pk)
        row.save(update_fields=["mac", "note_sealed"])
        record("campaign.shared", campaign.organization, now=now, by=by, about=campaign.pk)
    return token


def withdraw(campaign: Campaign, number: int, *, now: datetime, by: Person | None) -> bool:
    """Whether there was such a link. Its answers stay."""
    with transaction.atomic():
        row = ShareLink.objects.select_for_update().filter(campaign=campaign, pk=number, ended=False).first()
        if row is None:
            return False
        row.ended = True
        row.mac = _mac(row)
        row.save(update_fields=["ended", "mac"])
        sealed_settings.note_ended(campaign.organization, f"preview {row.pk}", row.until, now)
        record("campaign.share_withdrawn", campaign.organization, now=now, by=by, about=campaign.pk)
    return True


def opened(token: str, now: datetime) -> ShareLink:
    """The link of a token, with its campaign. Errors: LinkGone."""
    rows = ShareLink.objects.select_related("campaign__organization", "campaign__list", "campaign__template", "by")
    link = rows.filter(token_hash__in=_hashes(token)).first()
    if link is None or link.campaign.state not in OPEN_STATES or not _holds(link, now):
        raise LinkGone(_("This link has expired. Ask the person who gave it to you for a new one."))
    return link


def mark_of(link: ShareLink) -> str:
    """Tells one state of the letter from another, to whoever has the link; of what it is made nobody outside knows."""
    return _mark(bond_of(open_campaign(link.campaign)))


def _mark(bond: str) -> str:
    return seal.keyed_hash(keyring.derive("shared letters"), bond).hex()[:32]


def answer(link: ShareLink, *, name: str, text: str, yes: bool, mark: str, now: datetime) -> None:
    """What somebody says by a link, sealed. `mark` of the letter that they read.

    Errors: Changed when it is another one by now, TooMany, CampaignError for an answer that says nothing.
    """
    text = text.strip()[:LONGEST_TEXT]
    if not yes and not text:
        raise CampaignError(_("Write what to change, or approve it."))
    bond = bond_of(open_campaign(link.campaign))
    if mark != _mark(bond):
        raise LinkChanged(_("The email was changed while you were reading it. Look at it again, then answer."))
    with transaction.atomic():
        # Held so that two answers at once are counted one after the other.
        ShareLink.objects.select_for_update().get(pk=link.pk)
        given = ShareAnswer.objects.filter(link=link)
        if given.count() >= MOST_ANSWERS or given.filter(at__gt=now - timedelta(minutes=1)).count() >= MOST_A_MINUTE:
            raise TooMany(
                _("This link got too many answers. Wait a minute, or write to the person who gave it to you.")
            )
        row = ShareAnswer.objects.create(link=link, sealed=b"", at=now)
        feedback = ShareFeedback(" ".join(name.split())[:LONGEST_NAME], text, yes, bond)
        keys = keyring.keys(link.campaign.organization)
        ShareAnswer.objects.filter(pk=row.pk).update(sealed=keys.seal_json(feedback, "shareanswer", "words", row.pk))
        record("campaign.share_feedback", link.campaign.organization, now=now, about=link.campaign_id)


def links(campaign: Campaign, now: datetime) -> list[LinkView]:
    """Those that still open."""
    rows = ShareLink.objects.select_related("by", "campaign__organization").defer(*large("campaign__"))
    rows = rows.filter(campaign=campaign, ended=False, until__gt=now).order_by("pk")
    return [LinkView(row.pk, _note(campaign, row), row.until, row.by) for row in rows if _holds(row, now)]


def answers(campaign: Campaign) -> list[AnswerView]:
    """The newest first."""
    keys = keyring.keys(campaign.organization)
    rows = list(ShareAnswer.objects.select_related("link").filter(link__campaign=campaign).order_by("-pk"))
    bond = bond_of(open_campaign(campaign)) if rows else ""
    views = []
    for row in rows:
        feedback = keys.open_json(row.sealed, "shareanswer", "words", row.pk, ShareFeedback)
        views.append(AnswerView(row.at, _note(campaign, row.link), feedback, feedback.bond == bond))
    return views


def _note(campaign: Campaign, row: ShareLink) -> str:
    return keyring.keys(campaign.organization).open_json(row.note_sealed, "sharelink", "note", row.pk, str)


def _of(row: ShareLink) -> tuple[object, ...]:
    # With the moment to which its draft is sealed: a number can be given again, and the link would open another letter.
    facts = row.campaign_id, row.campaign.created, row.token_hash, row.until, row.ended, row.by_id
    return row_macs.of("share link", row.campaign.organization, row, *facts)


def renew() -> Iterator[None]:
    """Of all links, once the instance key is replaced (vault/instance_exchange.py)."""
    rows = ShareLink.objects.select_related("campaign__organization").defer(*large("campaign__"))
    return row_macs.renewed(rows, _of)


def _mac(row: ShareLink) -> bytes:
    return row_macs.mac(*_of(row))


def _holds(row: ShareLink, now: datetime) -> bool:
    """By what the MAC is of, not by what SQL compares. Also only as long as whoever made it may write: what they may no
    longer read, their links don't show either."""
    may = row.by is None or has_role(row.by, row.campaign.organization, WRITERS)
    ended = sealed_settings.has_ended(row.campaign.organization, f"preview {row.pk}")
    return may and not (ended or row.ended) and row.until > now and row_macs.fits(row.mac, *_of(row))


def _hashes(token: str) -> list[bytes]:
    """Under the present instance key, and under each former one."""
    keys = [keyring.derive("share links"), *(former.key for former in keyring.former("share links"))]
    return [seal.keyed_hash(key, token) for key in keys]
