"""campaign: letters, from the draft to the report. Each module adds its words to the group."""

from samizdat.cli.campaign import ab_test, recipients, release, report, status, translate, web_version
from samizdat.cli.campaign.drafts import campaign

__all__ = ["ab_test", "campaign", "recipients", "release", "report", "status", "translate", "web_version"]
