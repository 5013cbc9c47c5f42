"""A picture of the library at the end of a draft, in the draft's own format."""

import re
from datetime import datetime

from django.utils.html import escape

from samizdat.accounts.models import Person
from samizdat.campaigns.actions import save
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.media.library import PictureFacts, facts_of, url_of
from samizdat.campaigns.models import Campaign, Picture
from samizdat.core.content import blocks as document

LETTER = 600  # Points across a letter.


def put_in(campaign: Campaign, picture: Picture, *, by: Person | None, now: datetime) -> None:
    """The picture at the end of a draft, in the draft's own format. Errors: CampaignError, as of saving."""
    draft, facts = draft_of(campaign), facts_of(picture)
    body = _WITH[draft.format](draft.body, url_of(picture.organization, picture), picture, facts)
    save(campaign, draft.with_(body=body), version=campaign.version, by=by, now=now)


def _with_markdown(body: str, url: str, picture: Picture, facts: PictureFacts) -> str:
    alt = re.sub(r"([\\\[\]])", r"\\\1", facts.alt)
    return f"{body.rstrip()}\n\n![{alt}]({url})\n".lstrip()


def _with_html(body: str, url: str, picture: Picture, facts: PictureFacts) -> str:
    """Before the end of the page, where it is a whole one."""
    width = min(picture.width, LETTER)
    line = f'<p><img src="{url}" alt="{escape(facts.alt)}" width="{width}" style="max-width:100%;height:auto"></p>\n'
    at = body.lower().rfind("</body>")
    return f"{body.rstrip()}\n{line}" if at < 0 else f"{body[:at]}{line}{body[at:]}"


def _with_block(body: str, url: str, picture: Picture, facts: PictureFacts) -> str:
    """Before a footer, which stays the last block."""
    letter = document.parse(body)
    attrs = {"src": picture.slug, "alt": facts.alt, "decorative": facts.plain, "link": "", "width": None}
    blocks = letter.setdefault("content", [])
    at = len(blocks) - 1 if blocks and blocks[-1]["type"] == "footer" else len(blocks)
    blocks.insert(at, {"type": "picture", "attrs": attrs})
    return document.dumps(letter)


_WITH = {"markdown": _with_markdown, "html": _with_html, "blocks": _with_block}
