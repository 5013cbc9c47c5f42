"""Mailman: members of a list, of version 2 (`bin/export.py`) and 3 (the roster of its REST interface).

What its tools print (`list_members`, the answer to `who`, Postorius's "CSV export") are addresses with or without
names, which addresses.py reads. Mailman's own stores are Python pickles and are never opened (documents.py).

Whose delivery is disabled gets no letters now, whoever disabled it: they left, and by bounces their address is dead.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class MailmanImporter(Service):
    """Mailman's members."""

    name = "mailman"
    title = "Mailman"
    where = "bin/export.py, or list_members -f LIST"
    columns = {
        "id": ("address", ""),
        "email": ("address", ""),
        "original": ("out", "provider"),
        "realname": ("name", ""),
        "display_name": ("name", ""),
        "language": ("language", ""),
        "list": ("out", "provider"),
        "list_id": ("out", "provider"),
        "delivery": ("field:DELIVERY", ""),
        "delivery_mode": ("field:DELIVERY", ""),
        "changed": ("last_changed", ""),
        "hidden": ("out", "provider"),
        "address": ("out", "provider"),
        "user": ("out", "provider"),
        "self_link": ("out", "provider"),
        "http_etag": ("out", "provider"),
        "member_id": ("out", "provider"),
        "moderation_action": ("out", "provider"),
        "subscription_mode": ("out", "provider"),
        "bounce_score": ("out", "provider"),
        "last_bounce_received": ("out", "provider"),
        "last_warning_sent": ("out", "provider"),
        "total_warnings_sent": ("out", "provider"),
    }
    words = {
        # Owners and moderators look after the list, and a nonmember once wrote to it: none of them asked for letters.
        "role": meaning(subscribed="member", nonsubscribed="owner,moderator,nonmember"),
        "status": meaning(subscribed="enabled", unsubscribed="disabled"),
        "reason": meaning(unsubscribed="byuser,byadmin,unknown", cleaned="bybounce"),
        "delivery_status": meaning(
            subscribed="enabled", unsubscribed="by_user,by_moderator,unknown", cleaned="by_bounces"
        ),
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if {"id", "delivery", "status"} <= labels and "list" in labels:
            return True
        return "email" in labels and bool({"deliverymode", "listid"} <= labels or {"role", "deliverymode"} <= labels)
