"""What colleagues say of a draft, beside a block or of the whole letter. Sealed; readers never see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Meta, Struct

from samizdat.accounts.models import Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Comment
from samizdat.vault import keyring

LONGEST = 4_000
MOST = 500
type Words = Annotated[str, Meta(max_length=LONGEST)]


class CommentText(Struct, frozen=True):
    """`block`: its id; empty for the whole letter. `quote`: how it began when this was said.

    `other`: of a block that two people changed at once, the id of the second version; then there is no text.
    """

    text: Words = ""
    block: Words = ""
    quote: Words = ""
    other: Words = ""


@dataclass(frozen=True, slots=True)
class CommentView:
    """A comment opened."""

    number: int
    by_id: int | None
    at: datetime
    words: CommentText
    resolved: bool


def say(campaign: Campaign, words: CommentText, *, by: Person | None, now: datetime) -> Comment:
    """Errors: CampaignError for nothing said, too much, or too many."""
    if not words.text.strip() and not words.other:
        raise CampaignError(_("Write a comment first."))
    if len(words.text) > LONGEST:
        raise CampaignError(
            _("A comment can have at most %(count)s characters. Split it into two.") % {"count": LONGEST}
        )
    with transaction.atomic():
        if Comment.objects.filter(campaign=campaign).count() >= MOST:
            raise CampaignError(_("This campaign already has 500 comments, and can’t have more."))
        row = Comment.objects.create(campaign=campaign, by=by, at=now, sealed=b"")
        row.sealed = keyring.keys(campaign.organization).seal_json(words, "comment", "sealed", row.pk)
        row.save(update_fields=["sealed"])
    return row


def resolve(campaign: Campaign, number: int, *, by: Person | None, now: datetime, done: bool = True) -> None:
    """Marks as settled, or opens again. One that is not there any more is no matter."""
    changes = {"resolved": now, "resolved_by": by} if done else {"resolved": None, "resolved_by": None}
    Comment.objects.filter(campaign=campaign, pk=number).update(**changes)


def comments(campaign: Campaign) -> list[CommentView]:
    """The open ones first, each kind in the order in which it was said."""
    keys = keyring.keys(campaign.organization)
    rows = Comment.objects.filter(campaign=campaign).order_by("pk")
    views = [
        CommentView(
            row.pk,
            row.by_id,
            row.at,
            keys.open_json(row.sealed, "comment", "sealed", row.pk, CommentText),
            row.resolved is not None,
        )
        for row in rows
    ]
    return sorted(views, key=lambda view: view.resolved)
