"""Campaign Monitor: the subscribers of a list, of every state, and its suppression list.

Columns and states come from a sample in its shape; the suppression list is what its API gives, as far as we know,
and was not seen. `Deleted` are people whom the organization took off a list: they agreed to nothing further.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class CampaignMonitorImporter(Service):
    """Campaign Monitor's subscribers."""

    name = "campaignmonitor"
    title = "Campaign Monitor"
    where = "Lists → the list → Export, for each state; Suppression list → Export"
    columns = {
        "email": ("address", ""),
        "email address": ("address", ""),
        "name": ("name", ""),
        "date subscribed": ("opt_in_time", ""),
        "date": ("opt_in_time", ""),
        "list joined date": ("opt_in_time", ""),
        "permission to track": ("out", "watched"),
        "consent to track": ("out", "watched"),
        "consent to send sms": ("out", "elsewhere"),
        "reads email with": ("out", "reading"),
    }
    words = {
        "state": meaning(
            subscribed="active", pending="unconfirmed", unsubscribed="unsubscribed,deleted,suppressed",
            cleaned="bounced", complained="spam complaint,marked as spam",
        ),
        "suppression reason": meaning(
            unsubscribed="unsubscribed,manually suppressed", cleaned="bounced",
            complained="spam complaint,marked as spam",
        ),
    }  # fmt: skip

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if not labels & {"email", "emailaddress"}:
            return False
        own = {"datesubscribed", "listjoineddate", "permissiontotrack", "consenttotrack"}
        return "suppressionreason" in labels or ("state" in labels and bool(labels & own))
