"""Ghost: `members.<date>.csv`, of every generation.

Ghost puts an apostrophe before cells that a spreadsheet would take for a formula; it goes again.
"""

from samizdat.importers.service import Service, yes_no
from samizdat.importers.text import Sheet


class Importer(Service):
    """Ghost's members."""

    name = "ghost"
    title = "Ghost"
    guarded = True
    columns = {
        "id": ("out", "provider"),
        "email": ("address", ""),
        "name": ("name", ""),
        "note": ("notes", ""),
        "complimentary_plan": ("field:COMPED", ""),
        "stripe_customer_id": ("out", "provider"),
        "gift_id": ("out", "provider"),
        "created_at": ("opt_in_time", ""),
        "deleted_at": ("left_time", ""),
        "labels": ("tags", ""),
        "tiers": ("tags", ""),
        "products": ("tags", ""),
    }
    words = {"subscribed_to_emails": yes_no("subscribed", "unsubscribed")}

    def knows(self, labels: set[str], sheet: Sheet) -> bool:
        return {"email", "subscribedtoemails"} <= labels
