"""Mailchimp's notices to the owner of an audience ("notify on subscribe").

The service's documentation says who sends them and that they exist; no notice was at hand when this was written, so
subjects and labels are guesses from it. Whatever else they say, `rescue mailbox --means` says what a subject means.
"""

import re

from samizdat.core.evidence.notices.base import NoticeService

SERVICE = NoticeService(
    "Mailchimp",
    frozenset({"mailchimp.com", "mcsv.net", "mailchimpapp.net"}),
    (
        ("left", re.compile(r"\bunsubscrib|\bun-subscrib|\bopted out\b", re.IGNORECASE)),
        ("yes", re.compile(r"\bnew subscriber|\bsubscrib|\bopted in\b", re.IGNORECASE)),
    ),
)
