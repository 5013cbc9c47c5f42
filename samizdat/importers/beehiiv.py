"""beehiiv: the full or quick export of subscribers. A column for each tier says Yes or No and becomes a field."""

from samizdat.importers.service import Service, meaning
from samizdat.importers.text import Sheet


class Importer(Service):
    """beehiiv's subscribers."""

    name = "beehiiv"
    title = "beehiiv"
    columns = {
        "email": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "tier": ("field:TIER", ""),
        "created_at": ("opt_in_time", ""),
        "unsubscribed_at": ("left_time", ""),
        "stripe_customer_id": ("out", "provider"),
        "subscriber_id": ("out", "provider"),
    }
    # Inactive are those who left, and those whom beehiiv stopped writing to.
    words = {"status": meaning(subscribed="active", unsubscribed="inactive,unsubscribed", pending="pending,validating")}

    def knows(self, labels: set[str], sheet: Sheet) -> bool:
        return {"email", "status", "createdat"} <= labels and bool(labels & {"tier", "subscriptiontier"})
