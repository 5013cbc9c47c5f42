"""A place of a template written in blocks, like a letter; readers get it as HTML that looks as the template's did."""

import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat import phrases_override
from samizdat.accounts.models import Person
from samizdat.campaigns.content import content_of, findings
from samizdat.campaigns.drafts import revisions
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import layout
from samizdat.campaigns.templates.layout import TRIES, PlaceView
from samizdat.core.content.blocks import BadDocument, Node, dumps, parse, to_html
from samizdat.core.content.blocks.mending import mended
from samizdat.core.content.blocks.merge_versions import merge, numbered_body
from samizdat.core.content.blocks.styles import PLAIN, BlockStyles
from samizdat.core.content.templates.blocks import dress_of, read
from samizdat.core.content.templates.layout import WrittenRegion
from samizdat.core.languages import direction

# Elements that hold words, and nothing that is a block of its own.
_OF_WORDS = frozenset({
    "p", "span", "a", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "b", "i", "font",
})  # fmt: skip


class PlaceOvertaken(CampaignError):
    """The place was changed meanwhile, and the two cannot be brought together; nothing was written. `is_own`: by the
    same person, in another tab.
    """

    code = "overtaken"

    def __init__(self, is_own: bool) -> None:
        sentence = _("A colleague changed this block while you were editing. Press Save to see both versions.")
        if is_own:
            sentence = _("You also changed this block in another tab. Press Save to see both versions.")
        super().__init__(sentence)
        self.is_own = is_own


@dataclass(frozen=True, slots=True)
class EditedRegion:
    """What is stored in a place now, as blocks or as HTML. `merged`: it is not what was sent; `doubled`: blocks that
    were changed twice, which stand there twice. `is_own`: one person did all of it. `completed`: links were mended, so
    that the page that was sent has others.
    """

    body: str
    merged: bool = False
    doubled: int = 0
    is_own: bool = False
    completed: bool = False


@dataclass(frozen=True, slots=True)
class _Base:
    """What the place was when it was opened, where it was changed since; `is_own`: by the same person."""

    place: PlaceView
    is_own: bool


def write(
    campaign: Campaign,
    key: str,
    way: str,
    body: str,
    *,
    now: datetime,
    by: Person | None = None,
    version: int | None = None,
    page: str = "",
) -> EditedRegion:
    """The words of one writer for a place, as blocks (the JSON of a document) or HTML. What somebody else wrote there
    since `version` is merged in, block by block; None: written over. page: of autosave.save.

    Errors: Overtaken where that cannot be merged, CampaignError.
    """
    for _try in range(TRIES):
        there = layout.place(campaign, key)
        if (
            there is not None
            and version is not None
            and revisions.is_late(page, revisions.pages_since(campaign, version))
        ):
            return EditedRegion(there.html if way != "blocks" else blocks_of(there).body)
        own, base = (there.own, None) if there else (None, None)
        if there is not None and version is not None:
            base = _since(campaign, there, version, page, by)
        wanted, placed = _wanted(campaign, there, way, body, base)
        try:
            if wanted != own or there is None:
                layout.write(campaign, key, wanted, now=now, by=by, page=page, over=own)
        except DraftChangedMeanwhile:
            campaign.refresh_from_db()
            continue
        return placed
    raise DraftChangedMeanwhile(_("A colleague is changing the same blocks. Try again."))


def _since(campaign: Campaign, there: PlaceView, version: int, page: str, by: Person | None) -> _Base | None:
    """The place as it was at a version, where another page changed it since."""
    since = revisions.pages_since(campaign, version) if campaign.version > version else []
    if not since or revisions.is_of(page, since):
        return None
    kept = revisions.version_of(campaign, version)
    before = replace(there, own=kept.places.texts.get(there.key) if kept and kept.places else None)
    return _Base(before, revisions.are_own(since, by)) if before.own != there.own else None


def _wanted(
    campaign: Campaign, there: PlaceView | None, way: str, body: str, base: _Base | None
) -> tuple[WrittenRegion | None, EditedRegion]:
    """What is to be stored, where `base` was there before another page changed it."""
    if way != "blocks":
        if base is not None:
            raise PlaceOvertaken(base.is_own)
        return WrittenRegion(layout.cleaned(body)), EditedRegion(body)
    document, sent = _completed(body)
    if there is not None and sent == blocks_of(there).body:
        return there.own, EditedRegion(sent)  # Looking alone makes no own words, and completes none of the template's.
    mine = blocks = dumps(document)
    doubled = 0
    if there is not None and base is not None:
        if there.own is not None and not there.own.blocks:
            raise PlaceOvertaken(base.is_own)
        began, current = (_blocks(blocks_of(view).body) for view in (base.place, there))
        merged = merge(began, _blocks(mine), current, lambda: secrets.token_hex(5))
        document = parse(json.dumps({"type": "doc", "content": merged.blocks}))
        blocks, doubled = dumps(document), len(merged.doubled)
    is_own = base is not None and base.is_own
    placed = EditedRegion(blocks, blocks != mine, doubled, is_own, completed=blocks == mine != sent)
    if there is not None and blocks == blocks_of(there).body:
        return there.own, placed
    html = _html(campaign, there, document, blocks)
    if there is not None and not html.strip() and not there.html.strip():
        return there.own, placed  # An empty line to write in is nothing yet.
    return WrittenRegion(html, blocks), placed


def _completed(body: str) -> tuple[Node, str]:
    """The document with its links completed, and its one spelling before. Errors: CampaignError."""
    try:
        document = parse(body)
        sent = dumps(document)
        # Read again, because completed links are longer.
        return parse(dumps(mended(document))), sent
    except BadDocument as bad:
        raise CampaignError(findings((bad.flaw,))[0].sentence) from None


def _blocks(body: str) -> list[Node]:
    return list(json.loads(body).get("content", []))


def _html(campaign: Campaign, there: PlaceView | None, document: Node, blocks: str) -> str:
    """Errors: CampaignError."""
    if there is not None and there.holder in _OF_WORDS and not _is_words(document):
        raise CampaignError(
            _("This area of the template only takes text and images. Put the rest into the email itself.")
        )
    content = content_of(campaign, draft_of(campaign).with_(format="blocks", body=blocks))
    html = to_html(
        document,
        language=campaign.language,
        direction=direction(campaign.language),
        look=content.look.in_design(content.design),
        pictures=content.pictures,
        words=phrases_override.words(campaign.language),
        dress=_dress(there) if there is not None else PLAIN,
    )
    return layout.cleaned(html)


def _is_words(document: Node) -> bool:
    return all(block["type"] in ("paragraph", "picture", "html") for block in document.get("content", ()))


def _dress(there: PlaceView) -> BlockStyles:
    dress = dress_of(there.usual)
    return replace(dress, lines=True) if there.holder in _OF_WORDS else dress


@dataclass(frozen=True, slots=True)
class RegionDraft:
    """What the editor begins with. `fits`: at least a part of it is blocks; `kept`: another part stays HTML."""

    body: str
    fits: bool
    kept: bool = False


def blocks_of(there: PlaceView) -> RegionDraft:
    """The place as blocks to go on with, as this letter or the template has it."""
    if there.own is not None and there.own.blocks:
        return RegionDraft(_named(parse(there.own.blocks)), fits=True)
    parsed = read(there.html)
    # Own words in HTML may look as nothing in the template does.
    if parsed is not None and (there.own is None or parsed.dress == dress_of(there.usual)):
        return RegionDraft(_named(parsed.document), fits=True, kept=parsed.kept)
    if not there.html.strip():
        return RegionDraft(dumps(parse('{"type":"doc"}')), fits=True)
    block: Node = {"type": "html", "attrs": {"source": there.html}}
    return RegionDraft(_named({"type": "doc", "content": [block]}), fits=False)


def _named(document: Node) -> str:
    """With ids that are the same for everybody who opens it: a merge knows blocks by them."""
    return dumps(parse(numbered_body(dumps(document))))


def lacks_description(body: str) -> bool:
    """Whether a picture of it says nothing to those who do not see it. body: blocks, or HTML, which is
    not looked at.
    """
    if not body.startswith('{"type":"doc"'):
        return False
    return any(
        block["type"] == "picture" and not block["attrs"]["decorative"] and not block["attrs"]["alt"].strip()
        for block in parse(body).get("content", ())
    )
