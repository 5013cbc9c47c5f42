"""From whom the house writes mails of its own: those that ask for a confirmation, bring a link or tell admins."""

from typing import Any

from samizdat.audience import queries as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List
from samizdat.campaigns import queries
from samizdat.campaigns.draft import draft_of


def sender_of(list_: List) -> tuple[str, str] | None:
    """(name, address) that the list writes from: its own, else that of its organisation's newest campaign."""
    details = audience.details_of(list_)
    if details.get("from_email"):
        return details.get("from_name", "") or list_.organisation.name, details["from_email"]
    for row in queries.newest(list_.organisation, limit=20):
        draft = draft_of(row.campaign)
        if draft.from_email:
            return draft.from_name or list_.organisation.name, draft.from_email
    return None


def sign_ups_wait(organisation: Any) -> bool:
    """Whether a form is open, and there is nobody yet from whom its mails could come."""
    asked = {next(iter(form.lists), 0) for form in forms.forms_of(organisation)}
    lists = List.objects.select_related("organisation").filter(organisation=organisation)
    return any(sender_of(list_) is None for list_ in lists if list_.form_slug or list_.id in asked)
