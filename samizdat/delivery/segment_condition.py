"""Who got a campaign, for the segments of an audience that knows campaigns by their numbers alone."""

from collections.abc import Collection

from samizdat.accounts.models import Organization
from samizdat.audience.segments.lookup import KNOWN
from samizdat.audience.segments.sql import About, SqlCondition, condition_sql
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.sql import EDITION_OF
from samizdat.core.mail.ledger import State
from samizdat.core.segment import CampaignCondition
from samizdat.delivery.models import DeliveryArchiveTotal


def _accepted(leaf: CampaignCondition, about: About) -> SqlCondition:
    # Looked up by the whole key of a delivery: edition and number.
    text = f"dd.edition_id = ({EDITION_OF}) AND dd.number = {about.number} AND dd.state = {int(State.ACCEPTED)}"
    return about.exists("delivery_delivery dd", text, leaf.id)


def known(organization: Organization, campaigns: Collection[int]) -> set[int]:
    """Those of these campaigns of which it is known who got them. Old deliveries become totals
    (actions/delivery_retention): from then on nobody knows who got that letter.
    """
    archived = DeliveryArchiveTotal.objects.filter(edition__campaign__in=campaigns).values("edition__campaign")
    rows = Campaign.objects.filter(organization=organization, id__in=campaigns).exclude(id__in=archived)
    return {*rows.values_list("id", flat=True)}


def register() -> None:
    """When Django starts."""
    condition_sql.register(CampaignCondition, _accepted)
    KNOWN["campaign"] = known
