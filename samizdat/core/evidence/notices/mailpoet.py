"""Notices of MailPoet and of its predecessor Wysija, plug-ins of WordPress: the group's own server sends them.

Wording as in the plug-ins' source: "New subscriber to …" with "The subscriber … has just subscribed …".
"""

import re

from samizdat.core.evidence.notices.base import NoticeService

_WHO = r"[Tt]he subscriber\s?:?\s+(?P<address>[^\s@]{1,128}@[^\s@]{1,254}) has just"

SERVICE = NoticeService(
    "MailPoet",
    frozenset(),
    (("left", re.compile(r"\AOne less subscriber to ")), ("yes", re.compile(r"\ANew subscriber to "))),
    (
        ("left", re.compile(rf"{_WHO} unsubscribed")),
        ("yes", re.compile(rf"{_WHO} subscribed")),
    ),
)
