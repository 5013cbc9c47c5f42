"""beehiiv: the full or quick export of subscribers. Tiers say who pays, and stay out."""

from samizdat.core.imports import DetectedFile
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class BeehiivImporter(Service):
    """beehiiv's subscribers."""

    name = "beehiiv"
    title = "beehiiv"
    where = "Subscribers → Export → Full export"
    columns = {
        "email": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "tier": ("out", "donations"),
        "created_at": ("opt_in_time", ""),
        "unsubscribed_at": ("left_time", ""),
        "stripe_customer_id": ("out", "donations"),
        "subscriber_id": ("out", "provider"),
    }
    # Inactive are those who left, and those whom beehiiv stopped writing to.
    words = {"status": meaning(subscribed="active", unsubscribed="inactive,unsubscribed", pending="pending,validating")}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "status", "createdat"} <= labels and bool(labels & {"tier", "subscriptiontier"})

    def status_of(self, file: DetectedFile) -> DetectedFile:
        """A column for each tier has its name, which may be any, and says Yes or No; so may a field of their own."""
        for column in file.columns:
            cells = {cell for cell, _number in column.seen.values()} - {""}
            if column.becomes[:6] == "field:" and not column.asks and cells and cells <= {"Yes", "No"}:
                column.becomes, column.asks = "out", "givers"
        return super().status_of(file)
