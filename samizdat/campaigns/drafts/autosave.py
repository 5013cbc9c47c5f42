"""Saving a draft that somebody else may be writing in: both are kept, and nothing that was typed is lost."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Person
from samizdat.campaigns import actions
from samizdat.campaigns.drafts import comments, revisions
from samizdat.campaigns.drafts.draft import Draft, addressed, draft_of
from samizdat.campaigns.drafts.revisions import KeptRevision
from samizdat.campaigns.errors import DraftChangedMeanwhile
from samizdat.campaigns.models import Campaign
from samizdat.core.content.blocks import dumps, parse
from samizdat.core.content.blocks.merge_versions import MergedDraft, merge, merge_text
from samizdat.core.content.blocks.schema import Node

TRIES = 5  # Each time somebody else was quicker, what they saved is merged in as well.


@dataclass(frozen=True, slots=True)
class SaveResult:
    """`draft` is what is stored now; `merged` when others' words are in it. `writers`: who else saved meanwhile.
    completed: links were mended, so that the page that was sent has others.

    doubled: blocks that both changed; overruled: lines of the envelope that both changed, theirs are in the comments.
    """

    version: int
    draft: Draft
    merged: bool = False
    doubled: int = 0
    writers: tuple[int, ...] = ()
    overruled: int = 0
    completed: bool = False


def save(
    campaign: Campaign,
    draft: Draft,
    *,
    version: int,
    by: Person | None,
    now: datetime,
    page: str = "",
    **changes: object,
) -> SaveResult:
    """As actions.save, over whatever is stored. What others saved since `version` is merged in: the envelope line by
    line, a letter block by block, another text where one of the two left it as it was. What one person saved from two
    pages is brought together in a text as well, unless it overlaps: a page that is reloaded is given the text of before
    its last words came in.

    page: a token of the page that is typed in, with the number of this save of it; what that page itself saved
    meanwhile is saved over, and where that is newer, nothing is done.
    Errors: Overtaken where both changed a text in Markdown or HTML, NotADraft, CampaignError.
    """
    mended, completed = actions.mended_draft(draft)
    draft = addressed(campaign, mended)
    for _try in range(TRIES):
        current = Campaign.objects.select_related("organization").get(pk=campaign.pk)
        try:
            saved = _once(current, draft, version, by, now, page, changes)
        except DraftChangedMeanwhile:
            if current.version == Campaign.objects.values_list("version", flat=True).get(pk=campaign.pk):
                raise
            continue
        campaign.refresh_from_db()
        return replace(saved, completed=completed and saved.draft.body == draft.body)
    raise actions.overtaken()


def _once(
    current: Campaign,
    draft: Draft,
    version: int,
    by: Person | None,
    now: datetime,
    page: str,
    changes: dict[str, Any],
) -> SaveResult:
    stored = draft_of(current)
    since = revisions.pages_since(current, version) if current.version > version else []
    if revisions.is_late(page, since):
        return SaveResult(current.version, stored)
    mine = len(since) == current.version - version and revisions.is_of(page, since)
    both = _Both(draft, [], [])
    writers: tuple[int, ...] = ()
    if current.version != version and not mine:
        base = revisions.version_of(current, version)
        me = by.pk if by is not None else None
        is_own = len(since) == current.version - version and revisions.are_own(since, by)
        both = _together(base.draft if base else None, draft, stored, is_own)
        changes = _choices(base, current, changes)
        writers = tuple(sorted({who for _page, who in since if who is not None and who != me}))
    number, wanted = current.version, both.draft
    if wanted != stored or _differs(current, changes):
        number = actions.save(current, wanted, version=current.version, by=by, now=now, page=page, **changes)
    remarks = [comments.CommentText("", block=block, other=other) for block, other in both.doubled]
    for words in (*remarks, *(_remark(name, other) for name, other in both.overruled)):
        comments.say(current, words, by=by, now=now)
    return SaveResult(number, wanted, wanted != draft, len(both.doubled), writers, len(both.overruled))


@dataclass(frozen=True, slots=True)
class _Both:
    """What two wrote, in one. `doubled`: blocks that both changed; `overruled`: their words where mine stand now."""

    draft: Draft
    doubled: list[tuple[str, str]]
    overruled: list[tuple[str, str]]


def _together(base: Draft | None, mine: Draft, theirs: Draft, is_own: bool) -> _Both:
    """is_own: one person wrote both. Errors: Overtaken where both changed a text that is not in blocks."""
    if mine.format != theirs.format:
        raise actions.overtaken(is_own)
    began = base if base is not None and base.format == mine.format else None
    doubled = list[tuple[str, str]]()
    if mine.format == "blocks":
        merged = merge(_blocks(began), _blocks(mine), _blocks(theirs), lambda: secrets.token_hex(5))
        body, doubled = _body(merged), merged.doubled
    elif began is not None and began.body in (mine.body, theirs.body):
        body = theirs.body if mine.body == began.body else mine.body
    elif mine.body == theirs.body:
        body = mine.body
    else:
        text = merge_text(began.body, mine.body, theirs.body) if is_own and began is not None else None
        if text is None:
            raise actions.overtaken(is_own)
        body = text
    envelope, overruled = dict[str, str](), list[tuple[str, str]]()
    for name in (name for name in Draft.__struct_fields__ if name != "body"):
        before, other = getattr(began, name) if began else None, getattr(theirs, name)
        envelope[name] = other if getattr(mine, name) == before else getattr(mine, name)
        if name in _WRITTEN and other not in ("", before, envelope[name]):
            overruled.append((name, other))
    return _Both(Draft(**envelope, body=body), doubled, overruled)


# Lines of the envelope that somebody may have thought about: what is overruled stands in a comment.
_WRITTEN = {
    "subject": lazy("Subject"),
    "preheader": lazy("Preview text"),
    "from_name": lazy("Sender name"),
    "from_email": lazy("Sender address"),
    "reply_to": lazy("Reply-to"),
}


def _remark(name: str, other: str) -> comments.CommentText:
    text = _("%(field)s, as edited elsewhere at the same time: %(text)s")
    return comments.CommentText((text % {"field": _WRITTEN[name], "text": other})[: comments.LONGEST])


def _blocks(draft: Draft | None) -> list[Node]:
    return list(json.loads(draft.body).get("content", ())) if draft and draft.body else []


def _body(merged: MergedDraft) -> str:
    return dumps(parse(json.dumps({"type": "doc", "content": merged.blocks})))


def _choices(base: KeptRevision | None, current: Campaign, changes: dict[str, object]) -> dict[str, object]:
    """Without those that I left as they were: somebody else may have chosen meanwhile."""
    if base is None:
        return changes
    return {key: value for key, value in changes.items() if _number(value) != getattr(base.chosen, key)}


def _differs(current: Campaign, changes: Mapping[str, object]) -> bool:
    chosen = revisions.chosen_of(current)
    return any(_number(value) != getattr(chosen, key) for key, value in changes.items())


def _number(value: object) -> object:
    return getattr(value, "pk", value)


def restore(campaign: Campaign, number: int, *, by: Person | None, now: datetime) -> bool:
    """Brings a version back, as a save like any other, with the places of its template where it is the same one. False:
    it is not kept any more. Errors: Overtaken, NotADraft.
    """
    revision = revisions.version_of(campaign, number)
    if revision is None:
        return False
    places = revision.places if revision.chosen.template == campaign.template_id else None
    actions.save(campaign, revision.draft, version=campaign.version, by=by, now=now, places=places)
    return True
