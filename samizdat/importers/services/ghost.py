"""Ghost: `members.<date>.csv`, of every generation.

Tiers, products and a complimentary plan say who pays, and stay out.
Ghost puts an apostrophe before cells that a spreadsheet would take for a formula; it goes again.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, yes_no


class GhostImporter(Service):
    """Ghost's members."""

    name = "ghost"
    title = "Ghost"
    where = "Members → Export all members"
    guarded = True
    columns = {
        "id": ("out", "provider"),
        "email": ("address", ""),
        "name": ("name", ""),
        "note": ("notes", ""),
        "complimentary_plan": ("out", "donations"),
        "stripe_customer_id": ("out", "donations"),
        "gift_id": ("out", "provider"),
        "created_at": ("opt_in_time", ""),
        "deleted_at": ("left_time", ""),
        "labels": ("tags", ""),
        "tiers": ("out", "donations"),
        "products": ("out", "donations"),
    }
    words = {"subscribed_to_emails": yes_no("subscribed", "unsubscribed")}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "subscribedtoemails"} <= labels
