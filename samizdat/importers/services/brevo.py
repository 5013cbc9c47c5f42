"""Brevo (once Sendinblue): contacts as CSV with semicolons. `EMAIL_BLACKLISTED` says who must not be written to.

It does not say who agreed: a contact may be a customer who only got receipts. So that is asked.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, yes_no


class BrevoImporter(Service):
    """Brevo's contacts."""

    name = "brevo"
    title = "Brevo"
    where = "Contacts → select all → Export, with the blocklist column"
    order = "dmy"
    columns = {
        "contact id": ("out", "provider"),
        "email": ("address", ""),
        "lastname": ("field:LNAME", ""),
        "firstname": ("field:FNAME", ""),
        "nom": ("field:LNAME", ""),
        "prenom": ("field:FNAME", ""),
        "sms": ("field:PHONE", ""),
        "sms_blacklisted": ("out", "provider"),
        "whatsapp": ("out", "provider"),
        "whatsapp_blacklisted": ("out", "provider"),
        "added_time": ("opt_in_time", ""),
        "modified_time": ("last_changed", ""),
    }
    words = {"email_blacklisted": yes_no("unsubscribed", "")}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "emailblacklisted"} <= labels
