"""From a campaign to a letter: gathers what core/content/compile needs, and translates what it finds."""

import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from msgspec import structs

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import condition_values
from samizdat.audience import queries as audience
from samizdat.audience.models import Subscriber
from samizdat.campaigns.brand import look_of
from samizdat.campaigns.counted_links import UrlCodes
from samizdat.campaigns.drafts.draft import Draft, addressed, draft_of
from samizdat.campaigns.media.inline_images import carries
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import picture_url, pictures_named
from samizdat.campaigns.rendering import TRIES, render
from samizdat.campaigns.templates import import_template
from samizdat.campaigns.templates.layout_store import design_for, source_for
from samizdat.core.content.blocks.schema import MAX_ANSWERS
from samizdat.core.content.compile import CompileProof, compile_letter
from samizdat.core.content.problems import ContentProblem, fill
from samizdat.core.content.render import Content, conditions_of
from samizdat.core.content.templates import dress_of
from samizdat.core.content.theme import ThemePicture as LetterPicture
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.formatting import regrouped

# A letter may say these before anybody came in whose name is known: they are empty then, like any missing name.
ALWAYS = ("FNAME", "LNAME")


@dataclass(frozen=True, slots=True)
class ContentFinding:
    """A flaw in words: where it is, what to do, and whether it stops the letter.

    key: what an acceptance holds on to (campaigns/checks/results.py); accepted: somebody said that it may stay so.
    """

    place: str
    line: int
    severity: str
    code: str
    sentence: str
    fix: str | None
    key: str = ""
    accepted: bool = False
    word: str = ""  # The word that is in no dictionary.

    def document(self) -> dict[str, object]:
        return {
            "place": self.place,
            "line": self.line,
            "severity": self.severity,
            "code": self.code,
            "sentence": self.sentence,
            "key": self.key,
            "accepted": self.accepted,
        }


def proof_of(
    campaign: Campaign,
    now: datetime,
    draft: Draft | None = None,
    archive_slug: str = "",
    codes: UrlCodes | None = None,
    frame: Campaign | None = None,
) -> CompileProof:
    """The compiled letter, or what stops it. `draft` stands in for the stored one: a preview of what is being typed.

    codes: what stands in the addresses of counted links and of answers; tests and previews have none. frame: as of
    content_of.
    """
    draft = draft or draft_of(campaign)
    content = content_of(campaign, draft, archive_slug, codes, frame)
    there = now.astimezone(ZoneInfo(campaign.organization.timezone))
    inside = carries(campaign.organization, draft)
    through = codes.through if codes and draft.links == "counted" else None
    # With codes it is released: that is worth some waiting, where somebody who looks is told at once.
    rendered = partial(render, campaign.organization, tries=TRIES if codes else 1)
    return compile_letter(
        content, now=there, boundary=secrets.token_hex(12), carries=inside, through=through, rendered=rendered
    )


def content_of(
    campaign: Campaign,
    draft: Draft,
    archive_slug: str = "",
    codes: UrlCodes | None = None,
    frame: Campaign | None = None,
) -> Content:
    """frame: the letter in whose template and places it stands, where that is another one."""
    organization, draft = campaign.organization, addressed(campaign, draft)
    known = {view.tag: view.default for view in audience.fields(organization)}
    base, template = leading(organization).public_url, source_for(frame or campaign)
    details = audience.details_of(campaign.list)
    design = design_for(frame or campaign, draft_of(frame) if frame else draft)
    return Content(
        subject=draft.subject,
        preheader=draft.preheader,
        body=draft.body,
        format=_format(draft),
        from_name=draft.from_name,
        from_address=_ascii(draft.from_email),
        reply_to=_ascii(draft.reply_to) if draft.reply_to else "",
        to_name=_to_name(known),
        template=template,
        language=campaign.language,
        organization=leading(organization).name,
        postal_address=leading(organization).postal_address,
        website=base,
        list_name=audience.name_of(campaign.list),
        list_description=details.reminder,
        appeal=campaign.is_appeal,
        list_id=_list_id(campaign, draft),
        unsubscribe_mailbox=bool(leading(organization).unsubscribe_mailbox),
        archive_url=f"{base}/a/{archive_slug}" if archive_slug else "",
        neutral_url=f"{base}/a/",
        signup_url=f"{base}/f/{details.form_slug}" if base and details.form_slug else "",
        fields=dict.fromkeys(ALWAYS, "") | known | _groups(organization, draft, template),
        pictures=pictures_of(organization, draft.body) if draft.format == "blocks" else {},
        look=look_of(organization).in_design(design),
        design=design,
        own_words=phrases_override.words(campaign.language).own,
        dress=dress_of(import_template.sample_of(campaign.template)),
        answers=codes.answers() if codes else (f"{base}/q/",) * MAX_ANSWERS,
    )


def digest_of(draft: Draft, content: Content) -> str:
    """Of all that a letter, or a version of it, is made from: what is written, its frame, the stand-ins of fields, the
    names and addresses in it. Not of the codes in it and of where it is read on the web: each release draws others.
    """
    content = replace(content, archive_url="", answers=())
    # A field without a stand-in says nothing, so a new one asks nobody again.
    texts = {tag: text for tag, text in content.fields.items() if text}
    payload = {"draft": structs.asdict(draft), "content": asdict(content) | {"fields": texts}}
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def for_web(content: Content) -> Content:
    """Of a compiled letter, without the codes in the addresses of its answers."""
    return replace(content, answers=(f"{content.website}/q/",) * MAX_ANSWERS)


def _format(draft: Draft) -> Literal["markdown", "html", "blocks"]:
    return draft.format if draft.format in ("html", "blocks") else "markdown"  # type: ignore[return-value]


_SRC = re.compile(r'"src":\s{0,9}"(?:https?://[^"]{1,300}/m/)?([0-9a-f]{8,40})(?:\.[a-z]{3,4})?"')


def pictures_of(organization: Organization, body: str) -> dict[str, LetterPicture]:
    """The pictures of the library that blocks name, by slug or by address."""
    slugs = set(_SRC.findall(body))
    return {
        row.slug: LetterPicture(picture_url(organization, row.slug, row.kind), row.width, row.height)
        for row in (pictures_named(organization, slugs) if slugs else ())
    }


def _groups(organization: Organization, draft: Draft, template: str) -> dict[str, str]:
    """Groups and tags that conditions may ask for; opened only where one does, for there may be thousands of them."""
    texts = (draft.subject, draft.preheader, draft.body, template)
    asks = any("INTERESTED:" in text or "tagged" in text for text in texts)
    return condition_values.names(organization) if asks else {}


def values_of(subscriber: Subscriber, proof: CompileProof) -> dict[str, str]:
    """What a letter says and asks of one subscriber: their fields, and their groups where its conditions ask for
    them."""
    tags = condition_values.asked(subscriber.organization, conditions_of(proof.letter))
    return audience.values_of(subscriber) | condition_values.values_now(subscriber.id, tags)


def _to_name(fields: dict[str, str]) -> str:
    return " ".join(f"*|{tag}|*" for tag in ("FNAME", "LNAME") if tag in fields)


def _ascii(address: str) -> str:
    """The address as it goes into a header; what is none stays as typed, for the check to name it."""
    try:
        return normalize(address)
    except BadAddress:
        return address.strip()


def _list_id(campaign: Campaign, draft: Draft) -> str:
    """Stable for ever (RFC 2919): the list's number under the sender's own domain."""
    try:
        host = domain(normalize(draft.from_email))
    except BadAddress:
        return ""
    return f"list-{campaign.list_id}.{host}"


def findings(flaws: tuple[ContentProblem, ...]) -> list[ContentFinding]:
    """Flaws in the language of whoever looks, the ones that stop the letter first."""
    results = [
        ContentFinding(
            flaw.place,
            flaw.line,
            flaw.severity,
            flaw.code,
            fill(gettext(flaw.template), regrouped(flaw.values)),
            flaw.fix,
        )
        for flaw in flaws
    ]
    return sorted(results, key=lambda finding: (finding.severity != "stop", finding.place, finding.line))
