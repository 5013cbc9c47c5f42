"""A place of a template written in blocks, like a letter; readers get it as HTML that looks as the template's did."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat import saying
from samizdat.campaigns import arranging
from samizdat.campaigns.arranging import PlaceView
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import content_of, findings
from samizdat.campaigns.models import Campaign
from samizdat.core.document import BadDocument, Node, dumps, parse, to_html
from samizdat.core.document.dress import PLAIN, Dress
from samizdat.core.languages import direction
from samizdat.core.templating import Written, dress_of
from samizdat.core.templating.blocks import read

# Elements that hold words, and nothing that is a block of its own.
_OF_WORDS = frozenset({
    "p", "span", "a", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "b", "i", "font",
})  # fmt: skip


def write_blocks(campaign: Campaign, key: str, body: str, *, now: datetime) -> None:
    """body: a document's JSON. Errors: CampaignError."""
    try:
        document = parse(body)
    except BadDocument as bad:
        raise CampaignError(findings((bad.flaw,))[0].sentence) from None
    there, blocks = arranging.place(campaign, key), dumps(document)
    dress = PLAIN
    if there is not None:
        dress = _dress(there)
        if there.holder in _OF_WORDS and not _is_words(document):
            raise CampaignError(
                _("Only text and pictures fit into this place of the template. Put the rest into the letter.")
            )
    content = content_of(campaign, draft_of(campaign).with_(format="blocks", body=blocks))
    html = to_html(
        document,
        language=campaign.language,
        direction=direction(campaign.language),
        look=content.look,
        pictures=content.pictures,
        words=saying.words(campaign.language),
        dress=dress,
    )
    arranging.write(campaign, key, Written(html, blocks), now=now)


def _is_words(document: Node) -> bool:
    return all(block["type"] in ("paragraph", "picture", "html") for block in document.get("content", ()))


def _dress(there: PlaceView) -> Dress:
    dress = dress_of(there.usual)
    return replace(dress, lines=True) if there.holder in _OF_WORDS else dress


@dataclass(frozen=True, slots=True)
class Begun:
    """What the editor begins with. `fits`: at least a part of it is blocks; `kept`: another part stays HTML."""

    body: str
    fits: bool
    kept: bool = False


def blocks_of(there: PlaceView) -> Begun:
    """The place as blocks to go on with, as this letter or the template has it."""
    if there.own is not None and there.own.blocks:
        return Begun(there.own.blocks, fits=True)
    found = read(there.html)
    # Words of her own in HTML may look as nothing in the template does.
    if found is not None and (there.own is None or found.dress == dress_of(there.usual)):
        return Begun(dumps(found.document), fits=True, kept=found.kept)
    if not there.html.strip():
        return Begun(dumps(parse('{"type":"doc"}')), fits=True)
    block = {"type": "html", "attrs": {"source": there.html}}
    return Begun(dumps(parse(json.dumps({"type": "doc", "content": [block]}))), fits=False)


def lacks_description(body: str) -> bool:
    """Whether a picture of it says nothing to those who do not see it. body: a document's JSON."""
    return any(
        block["type"] == "picture" and not block["attrs"]["decorative"] and not block["attrs"]["alt"].strip()
        for block in parse(body).get("content", ())
    )
