"""HubSpot: contacts as CSV, and its other file, *Export unsubscribes and bounces*.

A contact is not a subscriber: it says who must not be written to, and who agreed is asked. Whoever opted out of one
kind of email counts as having left. Columns are those of contact properties in public code and, of the second file,
of its help page "Delete contacts who have unsubscribed or hard bounced" (knowledge.hubspot.com, 2019).
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, any_text, meaning, yes_no

LEFT = yes_no("unsubscribed", "")
BOUNCED = any_text("cleaned")


class HubSpotImporter(Service):
    """HubSpot's contacts."""

    name = "hubspot"
    title = "HubSpot"
    where = "Contacts → Export, all properties; Marketing → Email → Export unsubscribes and bounces"
    columns = {
        "record id": ("out", "provider"),
        "contact id": ("out", "provider"),
        "email": ("address", ""),
        "email address": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "phone number": ("field:PHONE", ""),
        "preferred language": ("language", ""),
        "create date": ("field:CREATED", ""),
        "last modified date": ("last_changed", ""),
        "email domain": ("out", "provider"),
        "contact owner": ("out", "provider"),
        "associated *": ("out", "provider"),
        "original source*": ("out", "reading"),
        "original traffic source*": ("out", "reading"),
        "latest source*": ("out", "reading"),
        "latest traffic source*": ("out", "reading"),
        "marketing emails *": ("out", "reading"),
        "last marketing email *": ("out", "reading"),
        "first marketing email *": ("out", "reading"),
        "sends since last engagement": ("out", "reading"),
        "number of pageviews": ("out", "reading"),
        "number of sessions": ("out", "reading"),
        "last page seen": ("out", "reading"),
        "first page seen": ("out", "reading"),
        "time last seen": ("out", "reading"),
        "time first seen": ("out", "reading"),
        "time of *": ("out", "reading"),
        "ip *": ("out", "ip"),
        "time zone": ("out", "ip"),
    }
    words = {
        "unsubscribed from all email": LEFT,
        "opted out of email*": LEFT,
        "marketing contact status": yes_no("", "nonsubscribed")
        | meaning(asked="marketing contact", nonsubscribed="non-marketing contact"),
        "email hard bounce reason": BOUNCED,
        "invalid email address": yes_no("cleaned", ""),
        "email address quarantined": yes_no("cleaned", ""),
        "is globally ineligible": LEFT,
        # Everybody in the other file is there for a no, if only to one kind of email.
        "portal unsubscribe": yes_no("unsubscribed", "nonsubscribed"),
        "portal spam report": yes_no("complained", ""),
        "portal bounce": BOUNCED,
        "global bounce": BOUNCED,
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if not labels & {"email", "emailaddress"}:
            return False
        if {"portalunsubscribe", "portalbounce"} <= labels:
            return True
        return "recordid" in labels and bool(
            labels & {"unsubscribedfromallemail", "marketingcontactstatus", "emailhardbouncereason"}
        )
