"""From one way of writing to another, where nothing that readers get is lost. What stood before is in the history."""

import json
import re
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from samizdat import saying
from samizdat.campaigns import actions
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import content_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templating import sample_of
from samizdat.core.document import BadDocument, Node, dumps, from_markdown, parse, to_html, to_markdown
from samizdat.core.languages import direction
from samizdat.core.templating import dress_of
from samizdat.core.templating.blocks import read

EMPTY = dumps(parse('{"type":"doc"}'))
# A page of its own, with a head and styles, is no block.
_WHOLE = re.compile(r"<(?:!doctype|html|head|body|style)\b", re.IGNORECASE)


def switch(campaign: Campaign, to: str, *, by: Any, now: datetime) -> int:
    """Writes the letter in another format; returns the new version. Errors: CampaignError, and nothing was changed."""
    draft = draft_of(campaign)
    if draft.format == to:
        return campaign.version
    body = _empty(to) if draft.body.strip() in ("", EMPTY) else _body(campaign, draft, to)
    if body is None:
        raise CampaignError(_("That would lose a part of the letter, so it stays as it is."))
    return actions.save(campaign, draft.with_(format=to, body=body), version=campaign.version, by=by, now=now)


def _empty(to: str) -> str:
    return EMPTY if to == "blocks" else ""


def _body(campaign: Campaign, draft: Draft, to: str) -> str | None:
    """The letter in the other format; None: not without loss."""
    document = _document(campaign, draft)
    if document is None:
        return None
    if to == "markdown":
        return to_markdown(document)
    if to == "blocks":
        return dumps(document)
    content = content_of(campaign, draft.with_(format="blocks", body=dumps(document)))
    return to_html(
        document,
        language=campaign.language,
        direction=direction(campaign.language),
        look=content.look,
        pictures=content.pictures,
        words=saying.words(campaign.language),
        dress=content.dress,
    )


def _document(campaign: Campaign, draft: Draft) -> Node | None:
    """The letter as blocks. HTML becomes one block of raw HTML, which readers get as they did; where its text looks as
    the template has it, blocks of text.
    """
    if draft.format == "blocks":
        return parse(draft.body)
    if draft.format == "markdown":
        return from_markdown(draft.body)
    if _WHOLE.search(draft.body):
        return None
    sample = sample_of(campaign.template)
    if sample and (found := read(draft.body)) and found.dress == dress_of(sample):
        return found.document
    block = {"type": "html", "attrs": {"source": draft.body}}
    try:
        return parse(json.dumps({"type": "doc", "content": [block]}))
    except BadDocument:
        return None
