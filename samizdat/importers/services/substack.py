"""Substack: `email_list.<publication>.csv` of the export, of all three generations, and the lists of paying readers.

`active_subscription`, `plan` and what stands beside them say who pays, and stay out (questions.py).
Who gets letters stands in `email_disabled` alone.
"""

import re
from pathlib import PurePosixPath

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, yes_no

OF_LETTERS = re.compile(r"(?:^|/)posts(?:\.csv$|/)|\.(?:opens|delivers)\.csv$", re.IGNORECASE)


class SubstackImporter(Service):
    """Substack's export: the zip, or the list of addresses in it."""

    name = "substack"
    title = "Substack"
    where = "Settings → Exports → New export"
    columns = {
        "email": ("address", ""),
        "active_subscription": ("out", "donations"),
        "plan": ("out", "donations"),
        "type": ("out", "donations"),
        "expiry": ("out", "donations"),
        "first_payment_at": ("out", "donations"),
        "created_at": ("opt_in_time", ""),
        "prefer_digests": ("out", "provider"),
        "stripe_connected_customer_id": ("out", "donations"),
    }
    words = {"email_disabled": yes_no("unsubscribed", "subscribed")}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "emaildisabled"} <= labels and bool(labels & {"activesubscription", "expiry"})

    def passes_over(self, name: str) -> bool:
        return bool(OF_LETTERS.search(PurePosixPath(name).as_posix()))
