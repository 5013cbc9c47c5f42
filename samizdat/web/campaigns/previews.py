"""Letters as readers will see them, and what is wrong with them, beside the line."""

import html
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core import signing
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import queries
from samizdat.campaigns.checks import CheckedContent, broken_links, spelling
from samizdat.campaigns.content import ContentFinding, content_of, findings
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign, Picture
from samizdat.campaigns.rendering import render
from samizdat.core.content.checks.width import fixed_width
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.problems import SENTENCES
from samizdat.core.content.problems import fill as fill_in
from samizdat.core.content.render import RenderedContent, fill, settle

# The one policy with inline styles: letters have nothing else. The sandbox takes scripts, forms and cookies away.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"
)
KINDS = ("light", "dark", "off")
PHONE = 375  # pixels, as the frames of a phone are
FRINGE = 8  # pixels of edges and spacing around what has a fixed width
SHOWN_FOR = 3600  # Seconds that the address of a picture in a preview is good for.
_SIGNER = "desk.preview.picture"

# Where a flaw stands -> the field of the compose form to go to.
FIELDS = {
    "subject": "subject",
    "preheader": "preheader",
    "from": "from_email",
    "reply_to": "reply_to",
    "body": "body",
    "block": "body",
    "letter": "body",
    "template": "template",
    "to": "list",
}


# What an email lacks that nobody has begun to write.
_UNWRITTEN = frozenset({"body_empty", "body_sample", "subject_empty"})


def framed(page: str | None) -> HttpResponse:
    """A letter by itself, for a frame, with the one policy that allows inline styles. Errors: Http404 for None."""
    if page is None:
        raise Http404
    response = HttpResponse(page)
    response.headers["Content-Security-Policy"] = POLICY
    return response


@dataclass(frozen=True, slots=True)
class Check:
    """A finding, its field, the line it speaks of, and the number of that line in the field; 0 for none."""

    finding: ContentFinding
    field: str
    line: str
    at: int


@dataclass(frozen=True, slots=True)
class Checks:
    """By weight. slow: spelling and counts have not been asked of this text; links_at: when its links were."""

    stops: list[Check]
    cares: list[Check]
    notes: list[Check] = field(default_factory=list)
    accepted: list[Check] = field(default_factory=list)
    slow: bool = False
    has_links: bool = False
    links_at: datetime | None = None
    no_spelling: str = ""

    @property
    def is_unwritten(self) -> bool:
        """Nothing is written yet: what stops it is no mistake of anybody, and nothing is marked red."""
        codes = {check.finding.code for check in self.stops}
        return bool(codes - {"subject_empty"}) and codes <= _UNWRITTEN


def checks(proof: CompileProof, draft: Draft, looked: CheckedContent | None = None) -> Checks:
    """What is wrong with a letter, beside its places. looked: of all checks (delivery/campaign_checks), else of the
    proof."""
    lines = draft.body.split("\n") if draft.format != "blocks" else []
    all_checks: list[Check] = []
    for finding in looked.findings if looked else findings(proof.flaws):
        at = finding.line if finding.place == "body" and 0 < finding.line <= len(lines) else 0
        line = lines[at - 1].strip()[:200] if at else ""
        if all_checks and all_checks[-1].at == at and all_checks[-1].finding.severity == finding.severity:
            line = ""  # It stands above already.
        all_checks.append(Check(finding, FIELDS.get(finding.place, "body"), line, at))
    return Checks(
        [check for check in all_checks if check.finding.severity == "stop"],
        [check for check in all_checks if check.finding.severity == "care" and not check.finding.accepted],
        [check for check in all_checks if check.finding.severity == "note"],
        [check for check in all_checks if check.finding.accepted],
        **(_slow(looked) if looked else {}),
    )


def _slow(looked: CheckedContent) -> dict[str, Any]:
    """How it stands with the checks that are asked for."""
    asked = looked.kept.links.values()
    return {
        "slow": bool(looked.waits & {"spelling", "empties"}),
        "has_links": bool(broken_links.wanted(looked.reading)),
        "links_at": max((verdict.at for verdict in asked), default=None),
        "no_spelling": spelling.missing(),
    }


def sample() -> dict[str, str]:
    """Somebody who has an address and nothing else: the defaults show."""
    return {
        "EMAIL": "reader@example.org",
        "UNSUB_URL": "#",
        "ARCHIVE_URL": "#",
        "PREFERENCES_URL": "#",
        "STAY_URL": "#",
        "LEAVE_MAILTO": "#",
    }


def text(proof: CompileProof, values: dict[str, str]) -> str:
    """The plain part."""
    return fill(proof.letter.text, values)


def page(
    campaign: Campaign, now: datetime, kind: str, values: dict[str, str], draft: Draft | None = None, at: int = 0
) -> str | None:
    """The HTML part; None for a kind that does not exist.

    draft: what is being typed, instead of what is stored. at: the number of a block that gets the anchor `here`.
    """
    if kind not in KINDS:
        return None
    draft = draft or draft_of(campaign)
    content = content_of(campaign, _anchored(draft, at) if at else draft)
    zone = ZoneInfo(campaign.organization.timezone)
    letter = render(campaign.organization, content, now=now.astimezone(zone), images=kind != "off", text=False)
    whole = settled(letter, values, kind)
    whole = whole.replace(_HERE, '<span id="here"></span>', 1).replace(_HERE, "") if at else whole
    return shown_at_desk(campaign.organization, whole)


def settled(letter: RenderedContent, values: dict[str, str], kind: str) -> str:
    """Its page for these values; of one that could not be made, why."""
    if not letter.html and letter.flaws:
        return escape(findings(letter.flaws)[0].sentence)
    return settle(fill(letter.html, values), "dark" if kind == "dark" else "light")


def shown_at_desk(organization: Organization, whole: str) -> str:
    """A page with our pictures from the desk, with words in the place of everybody else's, and whole in a narrow
    frame.
    """
    ours = _with_own_pictures(organization, whole)
    if _CSS_ADDRESS.search(ours) or _BACKGROUND.search(ours):  # Tag by tag it takes 3 ms, and most emails have none.
        ours = _TAG.sub(_without_backgrounds, ours)
    return _fitted(_IMAGE.sub(_foreign, ours), fixed_width(whole))


def too_wide(page: str) -> str:
    """What is said of a letter that does not adapt to phones; "" of one that does."""
    width = fixed_width(page)
    return fill_in(_(SENTENCES["width_fixed"]), {"width": str(width)}) if width else ""


def _fitted(page: str, width: int) -> str:
    """What is too wide for a phone is made smaller as a whole, as mail programs on phones do.

    tan(atan2()) is a length divided by a length; the number before it is for browsers without it.
    """
    if not width:
        return page
    wide = width + FRINGE
    small = f"zoom:{PHONE / wide:.3f};zoom:min(1,tan(atan2(100vw,{wide}px)))"
    return page.replace("</head>", f"<style>@media (max-width:{wide}px){{html{{{small}}}}}</style></head>", 1)


# A word that no letter says: it goes through the chain as any other, and what comes out of it is where the block is.
_HERE = "zzhere7q4k9zz"


def _anchored(draft: Draft, at: int) -> Draft:
    """With the word at the beginning of the first text from this block on."""
    if draft.format != "blocks":
        return draft
    try:
        document = json.loads(draft.body)
        blocks = document["content"][at - 1 :]
    except (ValueError, KeyError, TypeError):
        return draft
    return draft.with_(body=json.dumps(document)) if any(map(_mark, blocks)) else draft


def _mark(node: object) -> bool:
    content = node.get("content") or [] if isinstance(node, dict) else []
    for child in content:
        # Not before a tag: one that stands alone in its paragraph may begin or end a condition.
        if (
            isinstance(child, dict)
            and isinstance(child.get("text"), str)
            and "{%" not in child["text"]
            and "*|" not in child["text"]
        ):
            child["text"] = _HERE + child["text"]
            return True
        if _mark(child):
            return True
    return False


def picture_url(organization: Organization, picture: Picture) -> str:
    """Where readers will find it."""
    return f"{leading(organization).public_url}/m/{picture.slug}.{picture.kind}"


def _with_own_pictures(organization: Organization, whole: str) -> str:
    """Our pictures come from the desk while the letter is a draft: outside nobody can see them yet."""
    base = re.escape(leading(organization).public_url)
    return re.sub(rf"{base}/m/([0-9a-f]{{8,40}})\.\w{{2,5}}", lambda match: _shown(organization, match[1]), whole)


_IMAGE = re.compile(r"<img\b(?:[^<>\"]|\"[^\"]*\")*+>")
_SOURCE = re.compile(r'\bsrc="(?:https?:)?//([^/"?#]+)')
_RELATIVE = re.compile(r'\bsrc="(?!/)([^"]*)"')
_ALT = re.compile(r'\balt="([^"]*)"')


# What a browser would fetch besides: backgrounds, by attribute or by CSS. Our own pictures begin with a slash by now.
_TAG = re.compile(r"<style\b[^<>]*>.*?(?:</style>|\Z)|<[a-z](?:[^<>\"]|\"[^\"]*\")*+>", re.IGNORECASE | re.DOTALL)
_QUOTE = r"(?:&quot;|&#x27;|&#39;|[\"'])?"
_CSS_ADDRESS = re.compile(rf"\burl\(\s*{_QUOTE}(?!/[^/])[^)]*(?:\)|\Z)", re.IGNORECASE)
_BACKGROUND = re.compile(r"\sbackground=\"(?!/[^/])[^\"]*\"", re.IGNORECASE)


def _without_backgrounds(tag: re.Match[str]) -> str:
    return _BACKGROUND.sub("", _CSS_ADDRESS.sub("none", tag[0]))


def _foreign(image: re.Match[str]) -> str:
    """A picture of somebody else's host is not fetched from the desk: the host would see who writes here, and when."""
    source, alt = _SOURCE.search(image[0]), _ALT.search(image[0])
    if source:
        label = escape(_("Image from %(host)s, not loaded here") % {"host": html.unescape(source[1])})
    elif source := _RELATIVE.search(image[0]):
        label = escape(_("Image “%(name)s”: its address is incomplete") % {"name": html.unescape(source[1])})
    else:
        return image[0]
    shown = label + (f": {alt[1]}" if alt and alt[1].strip() else "")
    return (
        f'<span role="img" aria-label="{shown}" style="display:inline-block;max-width:100%;box-sizing:border-box;'
        f'padding:12px;border:1px dashed;font:14px/20px sans-serif">{shown.replace("<", "&lt;")}</span>'
    )


def _shown(organization: Organization, slug: str) -> str:
    token = signing.dumps([organization.pk, slug], salt=_SIGNER)
    return reverse("shown-picture", args=[token])


def picture_of(token: str) -> Picture | None:
    """The picture of a signed address, or None. Errors: signing.BadSignature, also for one that is too old."""
    number, slug = signing.loads(token, salt=_SIGNER, max_age=SHOWN_FOR)
    organization = Organization.objects.filter(pk=number).first()
    return queries.picture_named(organization, slug) if organization else None


def place_word(place: str) -> str:
    return {
        "subject": _("Subject"),
        "preheader": _("Preview text"),
        "from": _("Sender"),
        "reply_to": _("Reply-to"),
        "template": _("Template"),
        "to": _("Audience"),
    }.get(place, _("Email"))
