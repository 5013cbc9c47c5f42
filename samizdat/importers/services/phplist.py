"""phpList: subscribers as CSV or tab-separated text, with the columns that were ticked.

Labels and their order are those of its code (`admin/structure.php`, `admin/actions/export.php`): a mark in the
structure decides whether a label is the one of the database or a sentence ("Is this subscriber blacklisted"). Who is
on no list any more stands as `No Lists` under *List Membership*. Its count of bounces is no status: phpList takes back
the confirmation of an address that bounces too often.
"""

from samizdat.core.imports import EMPTY, OTHERS
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning, yes_no

CONFIRMED = yes_no("subscribed", "pending")
LEFT = yes_no("unsubscribed", "")


class PhpListImporter(Service):
    """phpList's subscribers."""

    name = "phplist"
    title = "phpList"
    where = "Subscribers → Export, with all columns"
    columns = {
        "id": ("out", "provider"),
        "email": ("address", ""),
        "did this subscriber manually confirm": ("out", "provider"),
        "optedin": ("out", "provider"),
        "bounce count": ("out", "provider"),
        "bouncecount": ("out", "provider"),
        "number of bounces": ("out", "provider"),
        "entered": ("opt_in_time", ""),
        "modified": ("last_changed", ""),
        "last modified": ("last_changed", ""),
        "unique id": ("out", "provider"),
        "uniqid": ("out", "provider"),
        "uuid": ("out", "provider"),
        "send this subscriber html emails": ("out", "provider"),
        "htmlemail": ("out", "provider"),
        "which page was used to subscribe": ("out", "provider"),
        "rss frequency": ("out", "provider"),
        "password": ("out", "provider"),
        "last time password was changed": ("out", "provider"),
        "foreign key": ("out", "provider"),
        "additional data": ("notes", ""),
        "ip": ("out", "ip"),
        "change summary": ("out", "provider"),
        "change detail": ("out", "ip"),
    }
    words = {
        "is this subscriber confirmed": CONFIRMED,
        "confirmed": CONFIRMED,
        "is this subscriber blacklisted": LEFT,
        "blacklisted": LEFT,
        "is this account disabled?": LEFT,
        "list membership": {OTHERS: "", EMPTY: "", **meaning(nonsubscribed="no lists")},
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if "email" not in labels:
            return False
        return {"confirmed", "blacklisted"} <= labels or bool(
            labels & {"isthissubscriberconfirmed", "isthissubscriberblacklisted"}
        )
