"""Saving a draft that somebody else may be writing in: both are kept, and nothing that was typed is lost."""

import json
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from samizdat.campaigns import actions, commenting, history
from samizdat.campaigns.draft import Draft, addressed, draft_of
from samizdat.campaigns.errors import Overtaken
from samizdat.campaigns.models import Campaign
from samizdat.core.document import dumps, parse
from samizdat.core.document.merge import Merged, merge

TRIES = 5  # Each time somebody else was quicker, what she saved is merged in as well.


@dataclass(frozen=True, slots=True)
class Saved:
    """`draft` is what is stored now; `merged` when that is not what was sent. `writers`: who else saved meanwhile."""

    version: int
    draft: Draft
    merged: bool = False
    doubled: int = 0
    writers: tuple[int, ...] = ()


def save(
    campaign: Campaign, draft: Draft, *, version: int, by: Any, now: datetime, page: str = "", **changes: Any
) -> Saved:
    """As actions.save, over whatever is stored: what others saved since `version` is merged in where both are blocks.

    page: a token of the page that is typed in; what that page itself saved meanwhile is saved over.
    Errors: Overtaken where it cannot be merged (Markdown, HTML), NotADraft, CampaignError.
    """
    draft = addressed(campaign, actions.checked(draft))
    for _try in range(TRIES):
        current = Campaign.objects.select_related("organisation").get(pk=campaign.pk)
        try:
            saved = _once(current, draft, version, by, now, page, changes)
        except Overtaken:
            if current.version == Campaign.objects.values_list("version", flat=True).get(pk=campaign.pk):
                raise
            continue
        campaign.refresh_from_db()
        return saved
    raise actions.overtaken()


def _once(
    current: Campaign, draft: Draft, version: int, by: Any, now: datetime, page: str, changes: dict[str, Any]
) -> Saved:
    stored = draft_of(current)
    since = history.pages_since(current, version) if current.version > version else []
    mine = bool(page) and len(since) == current.version - version and all(one == page for one, _person in since)
    wanted, doubled = draft, list[tuple[str, str]]()
    writers: tuple[int, ...] = ()
    if current.version != version and not mine:
        base = history.version_of(current, version)
        wanted, doubled = _together(base.draft if base else None, draft, stored)
        changes = _choices(base, current, changes)
        me = by.pk if by is not None else None
        writers = tuple(sorted({who for _page, who in since if who is not None and who != me}))
    number = current.version
    if wanted != stored or _differs(current, changes):
        number = actions.save(current, wanted, version=current.version, by=by, now=now, page=page, **changes)
    for block, other in doubled:
        commenting.say(current, commenting.Words("", block=block, other=other), by=by, now=now)
    return Saved(number, wanted, wanted != draft, len(doubled), writers)


def _together(base: Draft | None, mine: Draft, theirs: Draft) -> tuple[Draft, list[tuple[str, str]]]:
    """Errors: Overtaken where one of the two is not blocks."""
    if not mine.format == theirs.format == "blocks":
        raise actions.overtaken()
    began = base if base is not None and base.format == "blocks" else None
    merged = merge(_blocks(began), _blocks(mine), _blocks(theirs), lambda: secrets.token_hex(5))
    envelope = {
        field.name: _mine_or_theirs(
            getattr(began, field.name) if began else None, getattr(mine, field.name), getattr(theirs, field.name)
        )
        for field in fields(Draft)
        if field.name != "body"
    }
    return Draft(**envelope, body=_body(merged)), merged.doubled


def _mine_or_theirs(base: Any, mine: Any, theirs: Any) -> Any:
    """Where both changed it, mine is here and hers in the history."""
    return theirs if mine == base else mine


def _blocks(draft: Draft | None) -> list[Any]:
    return list(json.loads(draft.body).get("content", ())) if draft and draft.body else []


def _body(merged: Merged) -> str:
    return dumps(parse(json.dumps({"type": "doc", "content": merged.blocks})))


def _choices(base: Any, current: Campaign, changes: dict[str, Any]) -> dict[str, Any]:
    """Without those that I left as they were: somebody else may have chosen meanwhile."""
    if base is None:
        return changes
    return {key: value for key, value in changes.items() if _number(value) != base.chosen.get(key)}


def _differs(current: Campaign, changes: dict[str, Any]) -> bool:
    chosen = history.chosen_of(current)
    return any(_number(value) != chosen.get(key) for key, value in changes.items())


def _number(value: Any) -> Any:
    return getattr(value, "pk", value)


def restore(campaign: Campaign, number: int, *, by: Any, now: datetime) -> bool:
    """Brings a version back, as a save like any other. False: it is not kept any more. Errors: Overtaken, NotADraft."""
    found = history.version_of(campaign, number)
    if found is None:
        return False
    actions.save(campaign, Draft(**asdict(found.draft)), version=campaign.version, by=by, now=now)
    return True
