"""The parts that go along in an export of our own format (base.py), one after the other."""

from collections.abc import Iterator

from samizdat.portability.parts.base import ExportPart
from samizdat.portability.parts.campaigns.ab_tests import Tests
from samizdat.portability.parts.campaigns.campaigns import CampaignsPart
from samizdat.portability.parts.campaigns.drafts import Comments, Corrections, History
from samizdat.portability.parts.campaigns.media import Pictures
from samizdat.portability.parts.campaigns.templates import Templates, TemplatesPart
from samizdat.portability.parts.campaigns.totals import Answers, Clicks
from samizdat.portability.parts.cases import CasesPart
from samizdat.portability.parts.conversations import ConversationsPart
from samizdat.portability.parts.delivery import DeliveryPart
from samizdat.portability.parts.fundraisers import FundraisersPart
from samizdat.portability.parts.growth import GrowthPart
from samizdat.portability.parts.retention import RetentionPart
from samizdat.portability.parts.setup import SetupPart


def parts(*, setup: bool = True) -> Iterator[ExportPart]:
    """setup: with routes, sending domains, mailboxes, the team, fundraisers and cases about closed accounts, which go
    along where somebody asked for them."""
    yield GrowthPart()
    # Templates, looks and letters show pictures; letters stand in templates; all else belongs to letters.
    yield from (Pictures(), Templates(), TemplatesPart(), CampaignsPart())
    yield from (History(), Comments(), Corrections(), Clicks(), Answers(), Tests())
    yield DeliveryPart()
    yield RetentionPart()
    yield ConversationsPart()  # Of subscribers, by campaigns.
    if setup:
        yield CasesPart()  # Of who works here too, as requests name them. Petitions have lists and forms.
        yield FundraisersPart()
        yield SetupPart()
