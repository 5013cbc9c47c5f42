"""Unisender: contacts as CSV, with the columns of its `exportContacts`.

Statuses and availabilities are those of its API's documentation, as clients of it repeat them. `new` was only ever
imported, so it is asked. Whoever left or was taken off one of its lists counts as having left: the file does not say
which list they stayed on. Columns that its interface calls in Russian are asked about.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, any_text, meaning


class UnisenderImporter(Service):
    """Unisender's contacts."""

    name = "unisender"
    title = "Unisender"
    where = "Contacts → Export, with status, availability and the lists left"
    columns = {
        "email": ("address", ""),
        "email_list_ids": ("out", "provider"),
        "email_subscribe_times": ("opt_in_time", ""),
        "email_add_time": ("opt_in_time", ""),
        "email_confirm_time": ("confirm_time", ""),
        "email_request_ip": ("out", "ip"),
        "email_confirm_ip": ("out", "ip"),
        "email_rating": ("out", "reading"),
        "email_last_*": ("out", "reading"),
        "last_*": ("out", "reading"),
        "rating": ("out", "reading"),
        "tags": ("tags", ""),
        "phone": ("field:PHONE", ""),
        "phone_*": ("out", "elsewhere"),
    }
    words = {
        "email_status": meaning(
            subscribed="active", asked="new", pending="invited,activation_requested",
            unsubscribed="inactive,unsubscribed", complained="blocked",
        ),
        "email_availability": meaning(
            asked="available,temp_unreachable,spam_rejected", cleaned="unreachable,mailbox_full",
            complained="spam_folder",
        ),
        "email_unsubscribed_list_ids": any_text("unsubscribed"),
        "email_excluded_list_ids": any_text("unsubscribed"),
    }  # fmt: skip

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "emailstatus"} <= labels and bool(
            labels & {"emailavailability", "emaillistids", "emailunsubscribedlistids"}
        )
