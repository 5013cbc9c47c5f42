"""Public pages about closed accounts: what a person released of a case, and nothing else of it."""

from datetime import datetime
from html import escape

from django.utils.translation import override

from samizdat import formatting
from samizdat.accounts.sealed_settings import leading
from samizdat.events.models import Event
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import details_of
from samizdat.publicdb import actions as publicdb


def timeline(event: Event, now: datetime) -> None:
    """Shows the page of a case as it stands, or takes it down."""
    rows = RescueCase.objects.select_related("organization").filter(organization=event.organization)
    if case := rows.filter(pk=event.about or 0).first():
        _show(case)


def all_timelines(event: Event, now: datetime) -> None:
    """Those of an organization, as where the public database was lost."""
    for case in RescueCase.objects.select_related("organization").filter(organization=event.organization):
        _show(case)


def _show(case: RescueCase) -> None:
    public, number = details_of(case).public, -case.pk
    if public is None or not public.is_shown:
        publicdb.withdraw_letter(number)
        return
    with override(public.language):
        items = [
            f"<li><strong>{escape(formatting.shaped(line.day, 'day'))}</strong> {escape(line.text)}</li>"
            for line in public.lines
        ]
    publicdb.publish_page(
        bytes(case.organization.uid),
        number,
        slug=public.slug,
        title=public.title,
        html=f"<ul>{''.join(items)}</ul>",
        day=public.day,
        language=public.language,
        own=leading(case.organization).public_url,
    )
