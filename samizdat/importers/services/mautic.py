"""Mautic: contacts as CSV, with a column for each of its fields, and its report on *Do Not Contact*.

The export does not say who must not be contacted (github.com/mautic/mautic, issue 11679, closed without a change), so
everybody's status is asked and the reason is said. A report may have a column for it; its words are those of Mautic's
own tests (`DNC Unsubscribed: Email`), one for each channel, parted by commas, newest first. Labels are the aliases of
its fields (`Lead::getProfileFields`); `attribution` is money.
"""

from samizdat.core.imports import EMPTY, DetectedFile, Problem
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning

REASONS = {"DNC Unsubscribed": "unsubscribed", "DNC Manually Unsubscribed": "unsubscribed", "DNC Bounced": "cleaned"}
OTHERS = [f"{reason}: {channel}" for reason in REASONS for channel in ("Text Message", "Web Notification")]


def preferences() -> dict[str, str]:
    """Words of the report's column: of email alone, of another channel alone, and of both in either order."""
    words = dict.fromkeys(OTHERS, "")
    for reason, status in REASONS.items():
        words[f"{reason}: Email"] = status
        for other in OTHERS:
            words[f"{reason}: Email, {other}"] = words[f"{other}, {reason}: Email"] = status
    return {next(iter(meaning(asked=word.replace(",", "")))): status for word, status in words.items()} | {EMPTY: ""}


class MauticImporter(Service):
    """Mautic's contacts."""

    name = "mautic"
    title = "Mautic"
    where = "Contacts → Export to CSV; Reports → contacts with email and DNC preferences → Export"
    columns = {
        "id": ("out", "provider"),
        "contact id": ("out", "provider"),
        "email": ("address", ""),
        "firstname": ("field:FNAME", ""),
        "first name": ("field:FNAME", ""),
        "lastname": ("field:LNAME", ""),
        "last name": ("field:LNAME", ""),
        "mobile": ("field:PHONE", ""),
        "preferred_locale": ("language", ""),
        "tags": ("tags", ""),
        "points": ("out", "reading"),
        "stage": ("out", "provider"),
        "last_active": ("out", "reading"),
        "timezone": ("out", "ip"),
        "attribution": ("out", "donations"),
        "attribution_date": ("out", "donations"),
        "date_identified": ("field:CREATED", ""),
    }
    words = {"dnc preferences": preferences(), "dnc_preferences": preferences()}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if "email" not in labels:
            return False
        return "dncpreferences" in labels or {"firstname", "lastname", "points", "preferredlocale"} <= labels

    def more(self, files: list[DetectedFile]) -> list[Problem]:
        unsaid = [file for file in files if not file.column("status")]
        return [Problem("mautic_unsaid", file.name, stops=False) for file in unsaid]
