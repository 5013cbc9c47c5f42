"""Constant Contact: `contact_export_….csv`.

Two columns tell the status, and the weaker counts: *Email status* whether a contact may be written to, *Email
permission status* whether they agreed. `Implied` is a permission that Constant Contact takes from doing business with
somebody, so it is asked. Columns are those that public scripts over its exports read.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class ConstantContactImporter(Service):
    """Constant Contact's contacts."""

    name = "constantcontact"
    title = "Constant Contact"
    where = "Contacts → All contacts → Export, with status and permission"
    columns = {
        "email address": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "phone*": ("field:PHONE", ""),
        "email update source": ("out", "provider"),
        "confirmed opt-in date": ("confirm_time", ""),
        "confirmed opt-in source": ("out", "provider"),
        "confirmed opt-out date": ("left_time", ""),
        "confirmed opt-out source": ("out", "provider"),
        "confirmed opt-out reason": ("left_reason", ""),
        "email lists": ("tags", ""),
        "tags": ("tags", ""),
        "sms*": ("out", "elsewhere"),
        "source name": ("field:SOURCE", ""),
        "source": ("out", "provider"),
        "created at": ("opt_in_time", ""),
        "updated at": ("last_changed", ""),
    }
    words = {
        "email status": meaning(
            asked="active",
            unsubscribed="unsubscribed,opted out,removed,deleted",
            nonsubscribed="non-subscriber,not set",
            pending="awaiting confirmation,unconfirmed,pending confirmation",
            cleaned="bounced,temp hold",
        ),
        "email permission status": meaning(
            subscribed="express,explicit,confirmed",
            asked="implied,implicit",
            nonsubscribed="not set,no permissions set",
            pending="awaiting confirmation,pending confirmation",
            unsubscribed="unsubscribed,opted out",
            cleaned="temp hold",
        ),
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"emailaddress", "emailpermissionstatus"} <= labels
