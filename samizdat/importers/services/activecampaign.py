"""ActiveCampaign: contacts as CSV.

The four statuses are those of its help page "Contact list statuses explained" (help.activecampaign.com); the columns
come from samples in its shape. A count under *Bounced Hard* is a dead address whatever the status says.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, any_text, meaning


class ActiveCampaignImporter(Service):
    """ActiveCampaign's contacts."""

    name = "activecampaign"
    title = "ActiveCampaign"
    where = "Contacts → Status: Any → Export"
    columns = {
        "contact id": ("out", "provider"),
        "subscriber id": ("out", "provider"),
        "email": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "phone": ("field:PHONE", ""),
        "tags": ("tags", ""),
        "ip": ("out", "ip"),
        "ip address": ("out", "ip"),
        "subscribed date": ("opt_in_time", ""),
        "date created": ("opt_in_time", ""),
        "unsubscribed date": ("left_time", ""),
        "unsubscribe reason": ("left_reason", ""),
        "bounced soft": ("out", "provider"),
        "bounced date": ("clean_time", ""),
        "score": ("out", "reading"),
    }
    words = {
        "status": meaning(subscribed="active", unsubscribed="unsubscribed", pending="unconfirmed", cleaned="bounced"),
        "bounced hard": any_text("cleaned"),
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if not {"email", "status"} <= labels:
            return False
        return {"contactid", "unsubscribeddate"} <= labels or {"datecreated", "ip", "tags"} <= labels
