"""From a campaign to a letter: gathers what core/content/compile needs, and translates what it finds."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from msgspec import structs

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.audience import condition_values
from samizdat.audience import queries as audience
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import Subscriber
from samizdat.campaigns.brand import look_of
from samizdat.campaigns.counted_links import UrlCodes
from samizdat.campaigns.drafts.draft import Draft, addressed, draft_of
from samizdat.campaigns.errors import ContentHasProblems
from samizdat.campaigns.media.inline_images import carries
from samizdat.campaigns.models import Campaign, TemplateText
from samizdat.campaigns.queries import picture_url, pictures_named
from samizdat.campaigns.rendering import TRIES, render
from samizdat.campaigns.templates.layout_store import source_for, text_of
from samizdat.core.content.blocks.schema import MAX_ANSWERS
from samizdat.core.content.compile import CompileProof, compile_letter
from samizdat.core.content.merge import MergeCondition
from samizdat.core.content.problems import ContentProblem, fill
from samizdat.core.content.render import Content, conditions_of, merges_of
from samizdat.core.content.templates.blocks import dress_of
from samizdat.core.content.theme import Theme
from samizdat.core.content.theme import ThemePicture as LetterPicture
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.formatting import regrouped
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

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


@dataclass(frozen=True, slots=True)
class ContentSources:
    """What all versions of a letter have from its organization and its list. fields: tag -> stand-in; numbers: tag ->
    whose values it says. templates: number -> what is kept of it, of those that were asked for."""

    organization: Organization
    keys: OrganizationKeys
    settings: Leading
    fields: dict[str, str]
    numbers: dict[str, int]
    list_name: str
    list_details: ListDetails
    look: Theme
    templates: dict[int | None, TemplateText] = field(default_factory=dict)
    _tags: dict[int, str] = field(default_factory=dict)

    def template_of(self, campaign: Campaign) -> TemplateText:
        number = campaign.template_id
        if number not in self.templates:
            self.templates[number] = text_of(campaign.template)
        return self.templates[number]

    def known_tags(self) -> dict[int, str]:
        """Id -> name, as they were when it was first asked."""
        if not self._tags:
            self._tags.update(condition_values.known_tags(self.organization))
        return self._tags


def sources_of(campaign: Campaign) -> ContentSources:
    organization = campaign.organization
    settings, fields = leading(organization), audience.fields(organization)
    return ContentSources(
        organization,
        keyring.keys(organization),
        settings,
        {view.tag: view.default for view in fields},
        {view.tag: view.number for view in fields},
        audience.name_of(campaign.list),
        audience.details_of(campaign.list),
        look_of(organization, settings),
    )


@dataclass(frozen=True, slots=True)
class OpenedVersion:
    """A letter, or a version of it, opened: what is written, and what it is compiled from.

    campaign: whose language it has and to whose list it goes. variant_no: 0 for the letter itself. language: of a
    translation, else "".
    """

    campaign: Campaign
    draft: Draft
    content: Content
    sources: ContentSources
    variant_no: int = 0
    language: str = ""

    @property
    def settings(self) -> Leading:
        return self.sources.settings

    @property
    def key(self) -> str:
        """Tells it from the letter's other versions."""
        return self.language or str(self.variant_no or "")


def open_version(
    campaign: Campaign,
    draft: Draft,
    frame: Campaign | None = None,
    sources: ContentSources | None = None,
    *,
    variant_no: int = 0,
    language: str = "",
) -> OpenedVersion:
    """frame: the letter in whose template and places it stands, where that is another one. sources: where they are open
    already."""
    sources = sources or sources_of(campaign)
    content = _content(campaign, draft, frame or campaign, sources)
    return OpenedVersion(campaign, draft, content, sources, variant_no, language)


def compile_version(
    version: OpenedVersion, now: datetime, archive_slug: str = "", codes: UrlCodes | None = None
) -> CompileProof:
    """The compiled letter, or what stops it. codes: what stands in the addresses of counted links and of answers; tests
    and previews have none."""
    organization, draft, base = version.campaign.organization, version.draft, version.settings.public_url
    return compile_letter(
        with_urls(version.content, archive_slug, codes),
        now=now.astimezone(ZoneInfo(organization.timezone)),
        boundary=secrets.token_hex(12),
        carries=carries(organization, base, draft),
        through=partial(codes.through, base) if codes and draft.links == "counted" else None,
        # With codes it is released: that is worth some waiting, where somebody who looks is told at once.
        rendered=partial(render, organization, tries=TRIES if codes else 1),
    )


def proof_of(
    campaign: Campaign, now: datetime, draft: Draft | None = None, frame: Campaign | None = None
) -> CompileProof:
    """The same of a letter that is not open yet. draft stands in for the stored one: a preview of what is being typed.
    frame: as of open_version."""
    draft = addressed(campaign, draft) if draft else draft_of(campaign)
    return compile_version(open_version(campaign, draft, frame), now)


def content_of(campaign: Campaign, draft: Draft) -> Content:
    return open_version(campaign, addressed(campaign, draft)).content


def _content(campaign: Campaign, draft: Draft, frame: Campaign, sources: ContentSources) -> Content:
    organization, settings, details = campaign.organization, sources.settings, sources.list_details
    base, taken_in = settings.public_url, sources.template_of(frame)
    template, design = source_for(frame, taken_in.source, base), taken_in.design if frame.template else draft.design
    return Content(
        subject=draft.subject,
        preheader=draft.preheader,
        body=draft.body,
        format=_format(draft),
        from_name=draft.from_name,
        from_address=_ascii(draft.from_email),
        reply_to=_ascii(draft.reply_to) if draft.reply_to else "",
        to_name=_to_header_name(sources.fields),
        template=template,
        language=campaign.language,
        organization=settings.name,
        postal_address=settings.postal_address,
        website=base,
        list_name=sources.list_name,
        list_description=details.reminder,
        appeal=campaign.is_appeal,
        list_id=_list_id(campaign, draft),
        unsubscribe_mailbox=bool(settings.unsubscribe_mailbox),
        neutral_url=f"{base}/a/",
        signup_url=f"{base}/f/{details.page_slug}" if base and details.page_slug else "",
        fields=dict.fromkeys(ALWAYS, "") | sources.fields | _groups(sources, draft, template),
        pictures=pictures_of(organization, base, draft.body) if draft.format == "blocks" else {},
        look=sources.look.in_design(design),
        design=design,
        own_words=phrases_override.words(campaign.language).own,
        dress=dress_of(taken_in.sample),
        answers=(f"{base}/q/",) * MAX_ANSWERS,
    )


def with_urls(content: Content, archive_slug: str, codes: UrlCodes | None = None) -> Content:
    """Where it is read on the web, and by which addresses its answers are given."""
    base = content.website
    return replace(
        content,
        archive_url=f"{base}/a/{archive_slug}" if archive_slug else "",
        answers=codes.answers(base) if codes else content.answers,
    )


def digest_of(version: OpenedVersion) -> str:
    """Of all that a letter, or a version of it, is made from: what is written, its frame, the stand-ins of fields, the
    names and addresses in it, and whose values its merge tags and conditions stand for: fields are renamed, tags made
    anew. Not of the codes in it and of where it is read on the web: each release draws others.
    """
    sources, content = version.sources, replace(version.content, archive_url="", answers=())
    # A field without a stand-in that it doesn't say changes nothing, so a new one asks nobody again.
    texts = {tag: text for tag, text in content.fields.items() if text}
    merges = merges_of(content)
    payload = {
        "draft": structs.asdict(version.draft),
        "content": asdict(content) | {"fields": texts},
        "says": {item.name: sources.numbers[item.name] for item in merges if item.name in sources.numbers},
        "asks": condition_values.asked(
            (item for item in merges if isinstance(item, MergeCondition)), sources.known_tags
        ),
    }
    return hashlib.sha256(json.dumps(payload, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def _format(draft: Draft) -> Literal["markdown", "html", "blocks"]:
    return draft.format if draft.format in ("html", "blocks") else "markdown"  # type: ignore[return-value]


_SRC = re.compile(r'"src":\s{0,9}"(?:https?://[^"]{1,300}/m/)?([0-9a-f]{8,40})(?:\.[a-z]{3,4})?"')


def pictures_of(organization: Organization, base: str, body: str) -> dict[str, LetterPicture]:
    """The pictures of the library that blocks name, by slug or by address."""
    slugs = set(_SRC.findall(body))
    return {
        row.slug: LetterPicture(picture_url(base, row.slug, row.kind), row.width, row.height)
        for row in (pictures_named(organization, slugs) if slugs else ())
    }


def _groups(sources: ContentSources, draft: Draft, template: str) -> dict[str, str]:
    """Groups and tags that conditions may ask for; opened only where one does, for there may be thousands of them."""
    texts = (draft.subject, draft.preheader, draft.body, template)
    asks = any("INTERESTED:" in text or "tagged" in text for text in texts)
    return condition_values.names(sources.known_tags()) if asks else {}


def values_of(subscriber: Subscriber, proof: CompileProof) -> dict[str, str]:
    """What a letter says and asks of one subscriber: their fields, and their groups where its conditions ask for
    them."""
    known = partial(condition_values.known_tags, subscriber.organization)
    tags = condition_values.asked(conditions_of(proof.letter), known)
    return audience.values_of(subscriber) | condition_values.values_now(subscriber, tags)


def _to_header_name(fields: dict[str, str]) -> str:
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


def flaws_error(flaws: Iterable[ContentProblem]) -> ContentHasProblems:
    """Of flaws of which some stop the letter."""
    problems = findings(tuple(flaws))
    first = next(finding for finding in problems if finding.severity == "stop")
    values = {"place": first.place, "line": first.line, "flaw": first.sentence}
    if first.place == "block":
        sentence = gettext("This campaign can’t be sent yet: block %(line)s: %(flaw)s")
    elif not first.line:
        sentence = gettext("This campaign can’t be sent yet: %(flaw)s")
    else:
        sentence = gettext("This campaign can’t be sent yet: %(place)s, line %(line)s: %(flaw)s")
    return ContentHasProblems(sentence % values, tuple(problems))
