"""MailerLite, old and new: one CSV for each status, or one with a column for it. Reading stays out."""

import re
from pathlib import PurePosixPath

from samizdat.core.imports import DetectedFile
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning
from samizdat.importers.services import generic

# The strongest first: "inactive" holds "active", and "unsubscribed" "subscribed".
BY_NAME = (
    (re.compile(r"bounced", re.IGNORECASE), "cleaned"),
    (re.compile(r"junk|spam|complain", re.IGNORECASE), "unsubscribed"),
    (re.compile(r"unsub|inactive", re.IGNORECASE), "unsubscribed"),
    (re.compile(r"unconfirmed", re.IGNORECASE), "pending"),
    (re.compile(r"active|subscribed", re.IGNORECASE), "subscribed"),
)


class MailerLiteImporter(Service):
    """MailerLite's subscribers."""

    name = "mailerlite"
    title = "MailerLite"
    where = "Subscribers → each status → Export"
    columns = {
        "subscriber": ("address", ""),
        "email": ("address", ""),
        "subscribed": ("opt_in_time", ""),
        "opt-in time": ("confirm_time", ""),
        "unsubscribed": ("left_time", ""),
        "sent": ("out", "reading"),
        "opened": ("out", "reading"),
        "opens": ("out", "reading"),
        "clicked": ("out", "reading"),
        "clicks": ("out", "reading"),
        "location": ("out", "ip"),
        "opt-in ip": ("out", "ip"),
        "signup ip": ("out", "ip"),
        "country": ("out", "ip"),
        "groups": ("tags", ""),
        "source": ("field:SOURCE", ""),
    }
    words = {
        "status": meaning(
            subscribed="active", unsubscribed="unsubscribed,inactive", pending="unconfirmed",
            cleaned="bounced", complained="junk,complained,spam",
        )
    }  # fmt: skip

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if not labels & {"subscriber", "email"}:
            return False
        return {"subscribed", "sent"} <= labels and bool(labels & {"opened", "opens"})

    def status_of(self, file: DetectedFile) -> DetectedFile:
        if not file.says_everything:
            name = PurePosixPath(file.name).name
            claimed = next((status for pattern, status in BY_NAME if pattern.search(name)), None)
            if claimed:
                file.status, file.status_source = claimed, "name"
                return file
        return generic.with_status(file)
