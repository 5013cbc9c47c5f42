"""Tags of readers that the conditions of a letter ask for, in all its versions: as written, and as compiled.

Who carries them is kept with its release, and with a second person's yes, since they stand in the open in the database.
"""

from datetime import datetime

from django.db import transaction

from samizdat.audience import condition_values
from samizdat.audience.condition_values import Asked
from samizdat.campaigns import ab_test, edition_details, translations
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.queries import compiled_versions
from samizdat.core.content.render import conditions_of
from samizdat.vault import keyring


def of_draft(campaign: Campaign, now: datetime) -> Asked:
    proofs = [proof_of(version, now) for version in (campaign, *translations.versions(campaign))]
    if campaign.test_share:
        others = ab_test.versions(campaign)[1:]
        proofs += [ab_test.proof_of_version(campaign, version.change, now) for version in others]
    conditions = [condition for proof in proofs for condition in conditions_of(proof.letter)]
    return condition_values.asked(campaign.organization, conditions)


def freeze(edition: Edition) -> Asked:
    """Keeps with an edition what it asks for, once all its versions are compiled."""
    versions = compiled_versions(keyring.keys(edition.organization), edition)
    branches = [branch for compiled in versions for choice in compiled.choices for branch in choice.branches]
    conditions = [condition for condition, _first, _last in branches if condition]
    asked = condition_values.asked(edition.organization, conditions)
    if asked:
        with transaction.atomic():
            edition_details.change(edition, asked=tuple(asked.items()))
    return asked
