"""A place of a template written in blocks, like a letter; readers get it as HTML inside of the template."""

import json
from datetime import datetime

from samizdat import saying
from samizdat.campaigns import arranging
from samizdat.campaigns.arranging import PlaceView
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import content_of, findings
from samizdat.campaigns.models import Campaign
from samizdat.core.document import BadDocument, dumps, parse, to_html
from samizdat.core.letter.content import direction
from samizdat.core.templating import Written


def write_blocks(campaign: Campaign, key: str, body: str, *, now: datetime) -> None:
    """body: a document's JSON. Errors: CampaignError."""
    try:
        document = parse(body)
    except BadDocument as bad:
        raise CampaignError(findings((bad.flaw,))[0].sentence) from None
    blocks = dumps(document)
    content = content_of(campaign, draft_of(campaign).with_(format="blocks", body=blocks))
    html = to_html(
        document,
        language=campaign.language,
        direction=direction(campaign.language),
        look=content.look,
        pictures=content.pictures,
        words=saying.words(campaign.language),
    )
    arranging.write(campaign, key, Written(html, blocks), now=now)


def blocks_of(place: PlaceView) -> str:
    """The place as blocks to go on with; "" where the editor shall read what the template has.

    Tables and pictures of the template are one block of raw HTML: they would lose their look as blocks of ours.
    """
    if place.own is not None and place.own.blocks:
        return place.own.blocks
    if not any(sign in place.html.lower() for sign in ("<img", "<table", "<td", "<!--")):
        return ""
    block = {"type": "html", "attrs": {"source": place.html}}
    return dumps(parse(json.dumps({"type": "doc", "content": [block]})))
