"""Carries what became public from the house to the gate. Each verb may be repeated at any time."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from samizdat.accounts.models import Organisation
from samizdat.accounts.place import publish as publish_place
from samizdat.audience import queries as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List, SignUpForm
from samizdat.campaigns import contest, counting, languages
from samizdat.campaigns.correcting import web_copy
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.letter import content_of
from samizdat.campaigns.models import Campaign, Edition, is_listed
from samizdat.campaigns.pictures import frozen_in, named_in, open_picture
from samizdat.campaigns.queries import is_public, picture_named, public
from samizdat.core.letter import render
from samizdat.delivery.queries import nobody_got
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.gate.models import Page, Place

# Editions looked at for a missing web copy; a gate that was lost is filled again whole (missing_places).
NEWEST_EDITIONS = 50


def place(event: Event, now: datetime) -> None:
    if event.organisation is not None:
        publish_place(event.organisation)


def form(event: Event, now: datetime) -> None:
    found = List.objects.select_related("organisation").filter(id=event.about or 0).first()
    if found is not None:
        list_as_form(found)


def list_as_form(list_: Any) -> None:
    """The sign-up form of a list that has one; one that lost it is withdrawn."""
    organisation = list_.organisation
    if not list_.form_slug:
        gate.withdraw_form(bytes(organisation.uid), list_.id)
        return
    told = audience.details_of(list_)
    gate.publish_form(
        bytes(organisation.uid),
        list_.form_slug,
        list=list_.id,
        name=audience.name_of(list_),
        purpose=told.get("purpose", ""),
        language=organisation.language,
        details=json.dumps({"appeals": told["appeals"]}, ensure_ascii=False) if told.get("appeals") else "",
    )


def sign_up_form(event: Event, now: datetime) -> None:
    found = SignUpForm.objects.select_related("organisation").filter(id=event.about or 0).first()
    if found is not None:
        form_itself(found)


def form_itself(form: Any) -> None:
    """A form with lists, fields and topics of its own; one that was removed is withdrawn."""
    uid = bytes(form.organisation.uid)
    view = forms.view_of(form)
    if form.removed or not view.lists:
        gate.withdraw_form(uid, form.id)
        return
    told, written = view.facts, forms.written(view)
    details = {
        "intro": told.intro,
        "thanks": told.thanks,
        "appeals": told.appeals,
        "lists": [*view.lists.items()],
        "order": list(told.lists),  # By it a link says which of them were chosen.
        "topics": [*view.topics.items()],
        "fields": [
            {
                "number": one.number,
                "label": one.label or one.tag,
                "kind": one.kind,
                "choices": list(one.choices),
                "required": one.number in told.required,
                "written": one.number in written,
            }
            for one in view.fields
        ],
    }
    gate.publish_form(
        uid,
        form.slug,
        list=form.id,
        name=told.title,
        purpose=told.wording,
        language=told.language,
        details=json.dumps(details, ensure_ascii=False),
    )


def all_forms(organisation: Any) -> None:
    for list_ in List.objects.select_related("organisation").filter(organisation=organisation):
        list_as_form(list_)
    for form in SignUpForm.objects.select_related("organisation").filter(organisation=organisation):
        form_itself(form)


def sign_up_forms(event: Event, now: datetime) -> None:
    """All forms of the organisation that still stand: what one of them offered is gone."""
    for found in SignUpForm.objects.select_related("organisation").filter(
        organisation=event.organisation, removed=None
    ):
        form_itself(found)


def letter(event: Event, now: datetime) -> None:
    edition = _editions().filter(campaign_id=event.about).first()
    if edition is not None:
        edition_as_letter(edition, now)


def taken_back(event: Event, now: datetime) -> None:
    """Its release is undone, so the edition is gone, and with it whatever a gate may show of it."""
    gate.withdraw_letter(detail_of(event)["edition"])


def cancelled(event: Event, now: datetime) -> None:
    """Of a letter that was stopped before anybody got it nothing is left on the web either."""
    campaign = Campaign.objects.filter(id=event.about or 0).first()
    edition = Edition.objects.filter(campaign=event.about or 0).values_list("id", flat=True).first()
    if campaign is not None and edition is not None and nobody_got(campaign):
        gate.withdraw_letter(edition)


def listing(event: Event, now: datetime) -> None:
    """Into the archive or out of it, with its other languages. A page that was never shown will be shown so."""
    edition = Edition.objects.select_related("campaign").filter(campaign=event.about or 0).first()
    if edition is not None:
        gate.list_letter(edition.id, is_listed(edition.campaign))


def all_letters(event: Event, now: datetime) -> None:
    """The web copies, pictures and counted links of letters that came in with an export, or that a gate has lost, the
    newest first; those that are shown already are passed over, so that a killed one goes on."""
    there = set(Page.objects.values_list("edition", flat=True))
    rows = _editions().filter(public("campaign__"), organisation=event.organisation).order_by("-created")
    for edition in rows.iterator(chunk_size=50):
        if edition.id not in there:
            _show(edition, now)


def pictures(event: Event, now: datetime) -> None:
    """The uploaded pictures that a letter shows; before its release or test they are sealed."""
    campaign = Campaign.objects.select_related("organisation").filter(id=event.about or 0).first()
    if campaign is not None:
        campaign_pictures(campaign, now)


def picture_gone(event: Event, now: datetime) -> None:
    if event.organisation is not None:
        gate.withdraw_picture(bytes(event.organisation.uid), detail_of(event).get("slug", ""))


def campaign_pictures(campaign: Campaign, now: datetime) -> None:
    """Those of the letter as it is rendered, in each language and in each version of a test: of its text, its template
    and whatever else puts a picture there. And of what was compiled: the draft that a version has its text from goes
    on being changed, or is thrown away.
    """
    zone = ZoneInfo(campaign.organisation.timezone)
    contents = [content_of(version, draft_of(version)) for version in (campaign, *languages.versions(campaign))]
    shown = set[str]()
    for content in (*contents, *contest.contents(campaign)):
        letter = render(content, now=now.astimezone(zone), text=False)
        shown |= named_in("".join(piece for piece in letter.html if isinstance(piece, str)))
    if edition := Edition.objects.select_related("organisation").filter(campaign=campaign).first():
        shown |= frozen_in(edition)
    for slug in sorted(shown):
        found = picture_named(campaign.organisation, slug)
        if found is not None:
            gate.publish_picture(bytes(campaign.organisation.uid), slug, found.kind, open_picture(found))


def edition_as_letter(edition: Edition, now: datetime) -> None:
    """Names its list for the leave page, and shows the web copies once the letter is on its way."""
    campaign = edition.campaign
    named: dict[str, Any] = {"list_name": audience.name_of(campaign.list), "language": campaign.language}
    named["appeal"] = campaign.is_appeal
    versions = enumerate((campaign, *languages.versions(campaign)))
    shown: list[dict[str, Any]] = [{}]
    if is_public(campaign) and edition.archive_slug:
        shown = [_web_copy(version, place, edition, now) for place, version in versions]
    listed = is_listed(campaign)
    for page in shown:
        gate.publish_letter(bytes(campaign.organisation.uid), edition.id, **named, **page, listed=listed)


def _web_copy(version: Campaign, place: int, edition: Edition, now: datetime) -> dict[str, Any]:
    """What everybody may read of a letter, or of it in another language."""
    zone = ZoneInfo(version.organisation.timezone)
    slug = languages.slug_of(edition, version.language if place else "")
    title, html, corrected = web_copy(version, edition, now.astimezone(zone), slug)
    return {
        "slug": slug,
        "title": title,
        "html": html,
        "corrected": corrected.astimezone(zone).date() if corrected else None,
        "day": (languages.whole(version).released or edition.created).astimezone(zone).date(),
        "spoken": version.language,
        "version": place,
    }


def missing_letters(now: datetime) -> int:
    """Shows the newest letters on their way that the gate does not show yet, as where nobody got it by itself."""
    # Numbers alone: this is asked every ten seconds, and an edition weighs as much as its letter.
    newest = Edition.objects.filter(public("campaign__")).order_by("-created")
    numbers = [number for number, slug in newest.values_list("id", "archive_slug")[:NEWEST_EDITIONS] if slug]
    there = set(Page.objects.filter(edition__in=numbers).values_list("edition", flat=True))
    missing = [*_editions().filter(id__in=set(numbers) - there)]
    for edition in missing:
        _show(edition, now)
    return len(missing)


def _show(edition: Edition, now: datetime) -> None:
    """All that the gate has of a letter, its page last: that one says that all of it is there."""
    counting.lay_out(edition)
    campaign_pictures(edition.campaign, now)
    edition_as_letter(edition, now)


def missing_places(now: datetime) -> int:
    """Publishes organisations that the gate does not know: new ones, and all of them where a gate was lost, or is new
    as after a restore. Then their letters follow, which may take minutes, as what follows from an event.
    """
    there = {bytes(uid) for uid in Place.objects.values_list("uid", flat=True)}
    missing = [one for one in Organisation.objects.all() if bytes(one.uid) not in there]
    for organisation in missing:
        if Edition.objects.filter(organisation=organisation).exists():
            # Before it is known: a kill in between does this again, and again changes nothing.
            record("gate.lost", organisation, now=now)
        publish_place(organisation)
        all_forms(organisation)
    return len(missing)


def _editions() -> Any:
    return Edition.objects.select_related(
        "organisation", "campaign__organisation", "campaign__list", "campaign__template"
    )
