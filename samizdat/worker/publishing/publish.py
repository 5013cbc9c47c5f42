"""Carries what became public from the house to the public database. Each verb may be repeated at any time."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import DatabaseError
from django.db.models import QuerySet

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import publish as publish_place
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions import forms, mailed_words
from samizdat.audience.models import List, SignUpForm
from samizdat.campaigns import counted_links
from samizdat.campaigns.archive.web_corrections import web_copy
from samizdat.campaigns.edition_details import EditionDetails, slug_of
from samizdat.campaigns.media.library import frozen_in, named_in, open_picture, pictures_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.public_look import name_of as logo_name
from samizdat.campaigns.public_look import public_logo
from samizdat.campaigns.queries import is_public, picture_named, public
from samizdat.campaigns.released import WebVersion, released, web_versions
from samizdat.core import consent
from samizdat.core.content.render import Content, render
from samizdat.core.crypto.seal import SealBroken
from samizdat.delivery.actions.outside_tests import PICTURES
from samizdat.delivery.queries import nobody_got
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.logs import where_it_broke
from samizdat.privacy.models import RescueCase
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import queries
from samizdat.publicdb.models import Page, Site
from samizdat.publicdb.signed_rows import ours
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

# Editions looked at for a missing web copy; a public database that was lost is filled again whole (missing_places).
NEWEST_EDITIONS = 50
# Seconds until a letter that could not be shown is tried again, and when that is, by its edition.
REST = 600.0
_rests: dict[int, float] = {}
# Seconds of letters in one go, so that whatever else is due waits no longer, and how often each of an event is tried.
SLICE, TRIES = 5.0, 3
# How long before its time the pictures of a campaign are put out: mail servers fetch them when an email comes in.
AHEAD = timedelta(minutes=10)
# Editions that are about to begin and whose pictures this process has put out.
_put_out: set[int] = set()
# Of an event: editions to look at, and how often each was tried.
_left: dict[int, deque[tuple[int, int]]] = {}


class Unfinished(Exception):
    """A slice of what follows from an event is done; it goes on soon."""


def place(event: Event, now: datetime) -> None:
    if event.organization is not None:
        _place(event.organization)


def _place(organization: Organization) -> None:
    """The organization, with its logo before it: no page shows one that is not there."""
    if logo := public_logo(organization):
        publicdb.publish_picture(bytes(organization.uid), logo.slug, logo.kind, logo.data)
    publish_place(organization)


def form(event: Event, now: datetime) -> None:
    list_ = List.objects.select_related("organization").filter(id=event.about or 0).first()
    if list_ is not None:
        list_as_form(list_)


def list_as_form(list_: List) -> None:
    """The sign-up form of a list that has one; one that lost it is withdrawn."""
    organization = list_.organization
    details = audience.details_of(list_)
    appeals = mailed_words.appeals_said([list_], details.appeals, details.agreed)
    if not details.page_slug:
        publicdb.withdraw_form(bytes(organization.uid), list_.id)
        return
    publicdb.publish_form(
        bytes(organization.uid),
        details.form_slug,
        list=list_.id,
        name=audience.name_of(list_),
        purpose=details.purpose,
        language=leading(organization).language,
        details=json.dumps({"appeals": appeals}, ensure_ascii=False) if appeals else "",
    )


def sign_up_form(event: Event, now: datetime) -> None:
    form_row = SignUpForm.objects.select_related("organization").filter(id=event.about or 0).first()
    if form_row is not None:
        form_itself(form_row)


def form_itself(form: SignUpForm) -> None:
    """A form with lists, fields and topics of its own; one that was removed is withdrawn."""
    uid = bytes(form.organization.uid)
    view = forms.view_as_said(form)
    if view.facts.removed or not view.lists:
        publicdb.withdraw_form(uid, form.id)
        return
    facts, written = view.facts, forms.written(view)
    details: dict[str, object] = {
        "intro": facts.intro,
        "thanks": facts.thanks,
        "appeals": facts.appeals,
        "lists": [*view.lists.items()],
        "order": list(facts.lists),  # By it a link says which of them were chosen.
        "topics": [*view.topics.items()],
        "fields": [
            {
                "number": field.number,
                "tag": field.tag,  # By it forms in other sites name it.
                "label": field.label or field.tag,
                "kind": field.kind,
                "choices": list(field.choices),
                "required": field.number in facts.required,
                "written": field.number in written,
            }
            for field in view.fields
        ],
    }
    if facts.signs:
        details["signs"] = True
    publicdb.publish_form(
        uid,
        view.slug,
        list=form.id,
        name=facts.title,
        purpose=facts.wording,
        language=facts.language,
        details=json.dumps(details, ensure_ascii=False),
    )


def all_forms(organization: Organization) -> None:
    for list_ in List.objects.select_related("organization").filter(organization=organization):
        list_as_form(list_)
    for form in SignUpForm.objects.select_related("organization").filter(organization=organization):
        form_itself(form)


def sign_up_forms(event: Event, now: datetime) -> None:
    """All forms of the organization that still stand: what one of them offered is gone."""
    for form_row in forms.standing(event.organization) if event.organization else ():
        form_itself(form_row)


def letter(event: Event, now: datetime) -> None:
    edition = _editions().filter(campaign_id=event.about or 0).first()
    if edition is not None:
        edition_as_letter(edition, now)


def taken_back(event: Event, now: datetime) -> None:
    """Its release is undone, so the edition is gone, and with it whatever a public database may show of it."""
    publicdb.withdraw_letter(detail_of(event)["edition"])


def cancelled(event: Event, now: datetime) -> None:
    """Of a letter that was stopped before anybody got it nothing is left on the web either."""
    campaign = Campaign.objects.filter(id=event.about or 0).first()
    edition = Edition.objects.filter(campaign=event.about or 0).values_list("id", flat=True).first()
    if campaign is not None and edition is not None and nobody_got(campaign):
        publicdb.withdraw_letter(edition)


def listing(event: Event, now: datetime) -> None:
    """Into the archive or out of it, with its other languages. A page that was never shown will be shown so."""
    edition = Edition.objects.select_related("organization").filter(campaign=event.about or 0).first()
    if edition is not None and (details := released(edition)):
        publicdb.list_letter(edition.id, _is_listed(details))


def all_letters(event: Event, now: datetime) -> None:
    """The web copies, pictures and counted links of letters that came in with an export, or that a public database has
    lost, the newest first; those that are shown already are passed over, so that a killed one goes on.

    Errors: Unfinished.
    """
    if event.id not in _left:
        rows = Edition.objects.filter(public("campaign__"), organization=event.organization).order_by("-created")
        _left[event.id] = deque((number, 1) for number in rows.values_list("id", flat=True))
    left, until = _left[event.id], time.monotonic() + SLICE
    while left:
        number, tried = left[0]
        is_done = _try(number, now, again=True)
        left.popleft()
        if not is_done and tried < TRIES:
            left.append((number, tried + 1))
        if left and time.monotonic() >= until:
            raise Unfinished
    del _left[event.id]


def _is_shown(edition: Edition) -> bool:
    """Whether all that the public database has of a letter is there: counted links are laid out in any case."""
    details, place = released(edition), queries.place(bytes(edition.organization.uid))
    if details is None or place is None:
        return details is None
    counted_links.lay_out(edition)
    slugs = {version.slug for version in web_versions(edition, details) if version.slug}
    pages = [*ours(Page.objects.filter(slug__in=slugs))]
    shown = frozen_in(edition).union(*(named_in(page.html) for page in pages))
    named = queries.letter_name(place, edition.id) is not None
    there = queries.picture_names(place, shown)
    return named and len(pages) == len(slugs) and shown <= {slug for slug, _kind in there}


def pictures(event: Event, now: datetime) -> None:
    """The uploaded pictures that a letter shows; until it is about to begin, or tested, they are sealed. Of a test
    those that it showed: whoever writes the database has its event followed again, and by then the draft is another."""
    if event.kind == "campaign.tested" and event.organization is not None:
        _publish_pictures(event.organization, detail_of(event).get(PICTURES, ()))
        return
    campaign = Campaign.objects.select_related("organization").filter(id=event.about or 0).first()
    if campaign is None or (campaign.not_before and campaign.not_before > now + AHEAD):
        return
    if edition := _editions().filter(campaign=campaign).first():
        edition_pictures(edition, now)


def due_pictures(now: datetime) -> None:
    """Those of campaigns that are about to begin."""
    rows = Edition.objects.filter(campaign__state__in=("scheduled", "held"), campaign__not_before__lte=now + AHEAD)
    numbers = {
        *rows.filter(unlocked("organization__"), organization__sending_locked=False).values_list("id", flat=True)
    }
    _put_out.intersection_update(numbers)
    until = time.monotonic() + SLICE
    for number in sorted(numbers - _put_out):
        if _rests.get(number, 0.0) > time.monotonic():
            continue
        if _try(number, now, edition_pictures):
            _put_out.add(number)
        if time.monotonic() >= until:
            break


def picture_gone(event: Event, now: datetime) -> None:
    if event.organization is not None:
        uid, slug = bytes(event.organization.uid), str(detail_of(event).get("slug", ""))
        publicdb.withdraw_picture(uid, slug)
        publicdb.withdraw_picture(uid, logo_name(slug))
        _place(event.organization)  # It may have been the logo.


def edition_pictures(edition: Edition, now: datetime) -> None:
    """Those of its web copies, as they are rendered: of the text, the template and whatever else puts a picture there.
    And of what was compiled, in each version of a test. Errors: limited_process.TooMuch.
    """
    if details := released(edition):
        contents = [version.content for version in web_versions(edition, details)]
        shown = _named_by(contents, edition.organization, now) | frozen_in(edition)
        _publish_pictures(edition.organization, shown)


def _named_by(contents: Iterable[Content], organization: Organization, now: datetime) -> set[str]:
    there, shown = now.astimezone(ZoneInfo(organization.timezone)), set[str]()
    for content in contents:
        shown |= pictures_of(limited_process.work(organization.pk, render, content, now=there, text=False))
    return shown


def _publish_pictures(organization: Organization, slugs: Iterable[str]) -> None:
    for slug in sorted(slugs):
        picture = picture_named(organization, slug)
        if picture is None:
            continue
        try:
            data = open_picture(picture)
        except SealBroken:
            log.error("Picture %d has another one's address: the database was altered by other means", picture.pk)
        else:
            publicdb.publish_picture(bytes(organization.uid), slug, picture.kind, data)


def edition_as_letter(edition: Edition, now: datetime) -> None:
    """Names its list for the leave page, and shows the web copies once the letter is on its way. Of an edition that was
    not released as it stands nothing is shown."""
    campaign, details = edition.campaign, released(edition)
    if details is None:
        return
    name = audience.name_of(List.objects.select_related("organization").get(id=details.list))
    named: dict[str, Any] = {"list_name": name, "language": details.language}
    named["appeal"] = consent.PURPOSES[details.purpose] == consent.APPEALS
    shown: list[dict[str, Any]] = [{}]
    if is_public(campaign) and slug_of(edition, ""):
        shown = [_web_copy(version, edition, now) for version in web_versions(edition, details)]
    for page in shown:
        uid = bytes(edition.organization.uid)
        publicdb.publish_letter(uid, edition.id, **named, **page, listed=_is_listed(details))


def _is_listed(details: EditionDetails) -> bool:
    return details.to_all and not details.unlisted


def _web_copy(version: WebVersion, edition: Edition, now: datetime) -> dict[str, object]:
    """What everybody may read of a letter, or of it in another language."""
    zone = ZoneInfo(edition.organization.timezone)
    title, html, corrected = web_copy(version, edition, now.astimezone(zone))
    return {
        "slug": version.slug,
        "title": title,
        "html": html,
        "corrected": corrected.astimezone(zone).date() if corrected else None,
        "day": (edition.campaign.released or edition.created).astimezone(zone).date(),
        "spoken": version.content.language,
        "version": version.place,
        "own": version.content.website,
    }


def missing_letters(now: datetime) -> int:
    """Shows the newest letters on their way that the public database does not show yet, as where nobody got it by
    itself."""
    # Numbers alone: this is asked every ten seconds, and an edition weighs as much as its letter.
    resting = [number for number, until in _rests.items() if until > time.monotonic()]
    newest = Edition.objects.filter(public("campaign__")).exclude(id__in=resting).order_by("-created")
    numbers = [number for number, slug in newest.values_list("id", "archive_slug")[:NEWEST_EDITIONS] if slug]
    there = set(Page.objects.filter(edition__in=numbers).values_list("edition", flat=True))
    missing, until = [number for number in numbers if number not in there], time.monotonic() + SLICE
    for number in missing:
        _try(number, now)
        if time.monotonic() >= until:
            break
    return len(missing)


def _try(
    number: int, now: datetime, show: Callable[[Edition, datetime], None] | None = None, *, again: bool = False
) -> bool:
    """Shows the letter of an edition, or what `show` puts out of it; False where that breaks: then it rests, and keeps
    no other behind it. One at a time is fetched. again: passed over where all of it is there. Errors: DatabaseError,
    which all others would meet."""
    edition = _editions().filter(id=number).first()
    try:
        if edition is not None and not (again and _is_shown(edition)):
            limited_process.as_request(show or _show, edition, now)
    except DatabaseError:
        raise
    except Exception as error:
        _rests[number] = time.monotonic() + REST
        log.error("The web version of edition %d could not be made: %s", number, where_it_broke(error))
        return False
    _rests.pop(number, None)
    return True


def _show(edition: Edition, now: datetime) -> None:
    """All that the public database has of a letter, its page last: that one says that all of it is there. Nothing where
    it was not released as it stands. Errors: limited_process.TooMuch."""
    if released(edition) is None:
        return
    counted_links.lay_out(edition)
    edition_pictures(edition, now)
    edition_as_letter(edition, now)


def missing_places(now: datetime) -> int:
    """Publishes organizations that the public database does not know: new ones, and all of them where a public database
    was lost, or is new as after a restore. Then their letters follow, which may take minutes, as what follows from an
    event.
    """
    there = {bytes(uid) for uid in Site.objects.values_list("uid", flat=True)}
    missing = [row for row in Organization.objects.filter(unlocked()) if bytes(row.uid) not in there]
    for organization in missing:
        has_letters = Edition.objects.filter(organization=organization).exists()
        if has_letters or RescueCase.objects.filter(organization=organization).exists():
            # Before it is known: a kill in between does this again, and again changes nothing.
            record("publicdb.lost", organization, now=now)
        _place(organization)
        all_forms(organization)
    return len(missing)


def _editions() -> QuerySet[Edition]:
    return Edition.objects.select_related("organization", "campaign__organization")
