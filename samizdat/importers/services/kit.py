"""Kit (once ConvertKit): subscribers as CSV. Its own words for a status, of its interface and of its help pages.

`inactive` and `unconfirmed` signed up and never pressed the link. `cold` only did not open letters: they are
subscribed.
"""

from samizdat.importers.reading import labels as plainly
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning

STATES = meaning(
    subscribed="active,confirmed,cold",
    pending="inactive,unconfirmed",
    unsubscribed="cancelled,canceled,unsubscribed,blocked",
    cleaned="bounced",
    complained="complained",
)
OWN_WORDS = frozenset(STATES) - {"unsubscribed", "confirmed", "blocked"}


class KitImporter(Service):
    """Kit's subscribers."""

    name = "kit"
    title = "Kit (ConvertKit)"
    where = "Subscribers → All → Export"
    columns = {
        "id": ("out", "provider"),
        "subscriber id": ("out", "provider"),
        "email": ("address", ""),
        "email_address": ("address", ""),
        "email address": ("address", ""),
        "first_name": ("field:FNAME", ""),
        "first name": ("field:FNAME", ""),
        "created_at": ("opt_in_time", ""),
        "subscribed at": ("opt_in_time", ""),
        "cancelled_at": ("left_time", ""),
        "tags": ("tags", ""),
        "referrer": ("out", "reading"),
        "location": ("out", "ip"),
    }
    words = {"state": STATES, "status": STATES}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        """Its labels are everybody's, so its words have to be there as well."""
        if not (
            labels & {"email", "emailaddress"} and "firstname" in labels and labels & {"createdat", "subscribedat"}
        ):
            return False
        if "lastname" in labels or "tier" in labels:  # Kit has no last names
            return False
        states = {
            plainly.plain(cell)
            for index, label in enumerate(sheet.heading)
            if plainly.plain(label) in {"state", "status"}
            for cell in sheet.cells(index)
        }
        return bool(states) and states <= set(STATES) and bool(states & OWN_WORDS)
