"""What Amazon SES says by mail: the JSON of its notification service as the text of a message."""

from typing import Any

from samizdat.core import bounded_json
from samizdat.core.bounce import addresses, verdict
from samizdat.core.bounce.mime import storable
from samizdat.core.bounce.report import ReportEvent
from samizdat.core.bounce.verdict import ServerWords

MOST_VALUES, MOST_RECIPIENTS = 5_000, 500


def read(text: str) -> list[ReportEvent]:
    """Empty where it's none."""
    begins = text.find("{")
    if begins < 0 or ("notificationType" not in text[:3000] and "eventType" not in text[:3000]):
        return []
    text = text.replace("!\n ", "").replace("!\n", "")  # Sendmail breaks lines of 1,000 characters so.
    document = _object(text[begins : text.rfind("}") + 1])
    document = _object(document["Message"]) if isinstance(document.get("Message"), str) else document
    bounce, complaint = document.get("bounce"), document.get("complaint")
    if isinstance(bounce, dict):
        return [_bounced(bounce, entry) for entry in _listed(bounce, "bouncedRecipients")]
    if isinstance(complaint, dict):
        named = [
            addresses.first(str(entry.get("emailAddress", ""))) for entry in _listed(complaint, "complainedRecipients")
        ]
        if complaint.get("complaintFeedbackType") == "not-spam":
            return [ReportEvent("none", reason="report")]
        return [ReportEvent("complaint", address, reason="abuse", fault="recipient") for address in named]
    return [ReportEvent("none", reason="delivered")] if "delivery" in document else []


def _object(text: str) -> dict[str, Any]:
    try:
        read = bounded_json.read(text.encode(), MOST_VALUES)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _listed(about: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = about.get(name)
    return [entry for entry in listed[:MOST_RECIPIENTS] if isinstance(entry, dict)] if isinstance(listed, list) else []


def _bounced(bounce: dict[str, Any], entry: dict[str, Any]) -> ReportEvent:
    words = storable(str(entry.get("diagnosticCode") or ""))
    words = words.partition(";")[2].strip() if words.lower().startswith("smtp;") else words
    if not words and bounce.get("bounceSubType") == "NoEmail":
        words = "no such address"
    status = verdict.STATUS.search(str(entry.get("status") or ""))
    heard = ServerWords(words, str(bounce.get("bounceSubType") or ""), status[1] if status else "")
    return verdict.event(addresses.first(str(entry.get("emailAddress", ""))), heard)
