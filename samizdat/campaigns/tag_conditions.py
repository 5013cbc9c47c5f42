"""Tags of readers that the conditions of a letter ask for, in all its versions: as written, and as compiled.

Who carries them is kept with its release, and with a second person's yes, since they stand in the open in the database.
"""

from datetime import datetime

from django.db import transaction

from samizdat.audience import condition_values
from samizdat.audience.condition_values import Asked
from samizdat.campaigns import edition_details
from samizdat.campaigns.content import compiled
from samizdat.campaigns.models import Edition
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.campaigns.queries import compiled_versions
from samizdat.core.content.render import conditions_of
from samizdat.vault import keyring


def of_draft(opened: OpenedCampaign, now: datetime) -> Asked:
    letters = [compiled(version, now).letter for version in opened.versions]
    conditions = [condition for letter in letters for condition in conditions_of(letter)]
    return condition_values.asked(opened.campaign.organization, conditions)


def freeze(edition: Edition) -> Asked:
    """Keeps with an edition what it asks for, once all its versions are compiled."""
    letters = compiled_versions(keyring.keys(edition.organization), edition)
    branches = [branch for letter in letters for choice in letter.choices for branch in choice.branches]
    conditions = [condition for condition, _first, _last in branches if condition]
    asked = condition_values.asked(edition.organization, conditions)
    if asked:
        with transaction.atomic():
            edition_details.change(edition, asked=tuple(asked.items()))
    return asked
