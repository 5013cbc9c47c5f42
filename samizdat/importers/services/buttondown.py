"""Buttondown: subscribers as CSV. The status is the column `type`.

Buttondown itself does not write to `undeliverable` and `spammy` addresses; here the first are dead, the others left.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning

TYPES = meaning(
    subscribed="regular,premium,gifted,trialed,churning,past_due",
    pending="unactivated,unconfirmed,upcoming,unpaid",
    unsubscribed="unsubscribed,removed,spammy,churned,blocked,paused",
    complained="complained",
    cleaned="undeliverable",
)


class ButtondownImporter(Service):
    """Buttondown's subscribers."""

    name = "buttondown"
    title = "Buttondown"
    where = "Settings → Export"
    documents = frozenset({"metadata"})
    columns = {
        "email_address": ("address", ""),
        "email": ("address", ""),
        "id": ("out", "provider"),
        "secondary_id": ("out", "provider"),
        "notes": ("notes", ""),
        "tags": ("tags", ""),
        "metadata": ("field:METADATA", ""),
        "creation_date": ("opt_in_time", ""),
        "unsubscription_date": ("left_time", ""),
        "unsubscription_reason": ("left_reason", ""),
        "referrer_url": ("out", "reading"),
        "source": ("field:SOURCE", ""),
        "last_open_date": ("out", "reading"),
        "last_click_date": ("out", "reading"),
    }
    words = {"type": TYPES}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if "type" not in labels or not labels & {"emailaddress", "email"}:
            return False
        return bool(labels & {"creationdate", "metadata", "secondaryid"})
