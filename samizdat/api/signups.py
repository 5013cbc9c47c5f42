"""Somebody whom a program names is asked by email whether it was them, as after a form."""

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization
from samizdat.api.problems import ApiProblem
from samizdat.audience import actions, queries
from samizdat.audience.models import List
from samizdat.core.mail.address import normalize
from samizdat.incoming import signup_requests


def insist_on_form(list_: List) -> None:
    """Errors: ApiProblem 422 for a list whose readers could read nowhere what they agree to."""
    if not queries.details_of(list_).page_slug:
        sentence = _("This list has no sign-up form, so nobody can be asked to confirm. Create the form first.")
        raise ApiProblem(422, "no_form", sentence)


def ask_to_confirm(
    organization: Organization, list_: List, address: str, values: Mapping[str, str], language: str, now: datetime
) -> None:
    """Once a day at most. values: tag of a field -> text. Errors: ApiProblem 422, 503; BadAddress."""
    insist_on_form(list_)
    details, address = queries.details_of(list_), normalize(address)
    language = language or sealed_settings.leading(organization).language
    if values:  # The worker then has nothing to write down, and asks.
        actions.sign_up(
            organization, address, list_, wording=details.purpose, values=values, language=language, now=now
        )
    if not signup_requests.lay(organization, list_, details, address, language=language, way="form", now=now):
        raise ApiProblem(503, "signups_wait", _("Too many sign-ups are waiting. Try again in an hour."), wait=3600)
