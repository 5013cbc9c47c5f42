"""Public pages about closed accounts: what a person released of a case, and nothing else of it."""

import time
from datetime import datetime
from html import escape

from django.utils.translation import override

from samizdat import formatting
from samizdat.accounts.sealed_settings import leading
from samizdat.core.rescue import requests
from samizdat.events.models import Event
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import CaseDetails, details_of, petition_slug, signatures_of
from samizdat.publicdb import actions as publicdb
from samizdat.vault.locks import unlocked

# Seconds between two looks at who signed.
EVERY = 300.0
_look = {"next": 0.0}


def timeline(event: Event, now: datetime) -> None:
    """Shows the page of a case as it stands, or takes it down."""
    rows = RescueCase.objects.select_related("organization").filter(organization=event.organization)
    if case := rows.filter(pk=event.about or 0).first():
        _show(case)


def all_timelines(event: Event, now: datetime) -> None:
    """Those of an organization, as where the public database was lost."""
    for case in RescueCase.objects.select_related("organization").filter(organization=event.organization):
        _show(case)


def signatures(now: datetime) -> int:
    """Pages with signatures are written again where those changed; how many. Someone who left or was erased is on none
    by then. Looked at every EVERY seconds: a name may come from any form, import or erasing."""
    if time.monotonic() < _look["next"]:
        return 0
    _look["next"] = time.monotonic() + EVERY
    cases = RescueCase.objects.select_related("organization").filter(unlocked("organization__"))
    return sum(_has_signatures(case) and _show(case) for case in cases)


def erased(event: Event, now: datetime) -> None:
    """Somebody was erased: their name is on no page of the organization any more."""
    for case in RescueCase.objects.select_related("organization").filter(organization=event.organization):
        if _has_signatures(case):
            _show(case)


def _has_signatures(case: RescueCase) -> bool:
    public = details_of(case).public
    return public is not None and public.is_shown and public.has_signatures


def _show(case: RescueCase) -> bool:
    """Whether its page wasn't there like that already."""
    details = details_of(case)
    public, number = details.public, -case.pk
    if public is None or not public.is_shown:
        publicdb.withdraw_letter(number)
        return True
    with override(public.language):
        items = [
            f"<li><strong>{escape(formatting.shaped(line.day, 'day'))}</strong> {escape(line.text)}</li>"
            for line in public.lines
        ]
    return publicdb.publish_page(
        bytes(case.organization.uid),
        number,
        slug=public.slug,
        title=public.title,
        html=f"<ul>{''.join(items)}</ul>{_petition(case, details, public.language) if public.has_signatures else ''}",
        day=public.day,
        language=public.language,
        own=leading(case.organization).public_url,
    )


def _petition(case: RescueCase, details: CaseDetails, language: str) -> str:
    """Who signed, and where others can."""
    signed, slug = signatures_of(case, details), petition_slug(case, details)
    signatures = requests.signed_lines(signed.count, signed.names, language) if signed.count else []
    lines = [escape(line) for line in signatures]
    if slug:
        address = f"{leading(case.organization).public_url}/f/{slug}"
        lines.append(f'<a href="{escape(address)}">{escape(requests.sign_words(language))}</a>')
    return "".join(f"<p>{line}</p>" for line in lines)
