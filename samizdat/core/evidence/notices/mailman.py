"""Mailman's notices to the owner of a list: the server of the list sends them.

Wording as in the templates of Mailman 2 and 3 in English: "… has been successfully subscribed to …", "… has been
removed from …", where the member is an address, or a name with the address in brackets.
"""

import re

from samizdat.core.evidence.notices.base import NoticeService

_WHO = r"(?P<address>[^\s@<>]{1,128}@[^\s@<>]{1,254})>? has been"

SERVICE = NoticeService(
    "Mailman",
    frozenset(),
    (
        ("left", re.compile(r" unsubscribe notification\Z| unsubscription notification\Z")),
        ("yes", re.compile(r" subscription notification\Z")),
    ),
    (
        ("left", re.compile(rf"{_WHO} (?:removed|successfully unsubscribed) from ")),
        ("yes", re.compile(rf"{_WHO} successfully subscribed to ")),
    ),
)
