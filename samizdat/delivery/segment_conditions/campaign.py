"""Who got a campaign."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Organization
from samizdat.audience.segments.reference import Reference
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.sql import EDITION_OF
from samizdat.core.mail.ledger import State
from samizdat.core.segment import reading
from samizdat.core.segment.condition import Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input
from samizdat.delivery.models import DeliveryArchiveTotal

# Campaigns that left; the newest of them are offered.
LEFT = ("sending", "paused", "waiting", "finished", "cancelled")
MOST_CAMPAIGNS = 100


@dataclass(frozen=True, slots=True)
class CampaignCondition(Condition):
    """The subscriber's letter of this campaign was accepted by the next server."""

    names = ("campaign",)
    refers = ("campaign", "")
    words = {
        "campaign": "who was sent {a}",
        "not campaign": "who wasn’t sent {a}",
    }
    forms = (
        ConditionForm(
            "campaign",
            "Sent a campaign",
            {"": "was sent", "!": "was not sent"},
            (Input("campaign", options="campaign", numbered=True),),
            position=90,
        ),
    )

    id: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(reading.number(value))

    def json(self) -> dict[str, object]:
        return {"campaign": self.id}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "campaign", name("campaign", self.id), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.id in facts.campaigns

    def sql(self, about: SqlSubject) -> SqlCondition:
        # Looked up by the whole key of a delivery: edition and number.
        text = f"dd.edition_id = ({EDITION_OF}) AND dd.number = {about.number} AND dd.state = {int(State.ACCEPTED)}"
        return about.exists("delivery_delivery dd", text, self.id)


class CampaignReference(Reference):
    """By its subject. No other installation knows it by name or number, and it stays a number in JSON."""

    kind = "campaign"
    gone = lazy(
        "This segment uses the recipients of a campaign, but they are no longer known. Change or remove that condition."
    )

    @classmethod
    def known(cls, organization: Organization, numbers: Collection[int]) -> set[int]:
        """Those of which it is known who got them. Old deliveries become totals (actions/delivery_retention): from then
        on nobody knows who got that letter.
        """
        archived = DeliveryArchiveTotal.objects.filter(edition__campaign__in=numbers).values("edition__campaign")
        rows = Campaign.objects.filter(organization=organization, id__in=numbers).exclude(id__in=archived)
        return {*rows.values_list("id", flat=True)}

    def name(self, number: int) -> str:
        rows = Campaign.objects.select_related("organization").filter(organization=self.organization, pk=number)
        row = rows.first()
        return (draft_of(row).subject or f"{number}") if row else ""

    def offered(self) -> Mapping[int, str]:
        rows = campaigns.newest(self.organization, LEFT, limit=MOST_CAMPAIGNS)
        return {row.campaign.pk: row.subject or str(row.campaign.pk) for row in rows}
