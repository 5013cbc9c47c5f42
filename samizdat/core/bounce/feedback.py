"""Complaints: the abuse report (RFC 5965), and Hotmail's older form, which is the message and nothing else."""

from samizdat.core.bounce import addresses
from samizdat.core.bounce.mime import Part, decoded, headers_of
from samizdat.core.bounce.report import Kind, ReportEvent

KIND = "message/feedback-report"
# Feedback-Type -> kind and reason; what is not in it is a complaint, as RFC 5965 has "other".
_TYPES: dict[str, tuple[Kind, str]] = {
    "opt-out": ("unsubscribe", "opt_out"),
    "opt-out-list": ("unsubscribe", "opt_out"),
    "not-spam": ("none", "report"),
    "auth-failure": ("none", "report"),
    "dmarc": ("none", "report"),
}
MOST_RECIPIENTS = 500


def is_report(part: Part) -> bool:
    """By its type, or by its first field where a server has made text of it."""
    return part.kind == KIND or (
        part.kind == "text/plain" and part.body[:200].lstrip()[:14].lower() == "feedback-type:"
    )


def read(text: str, returned: dict[str, str]) -> list[ReportEvent]:
    """`returned`: headers of the message complained about."""
    fields = _all_fields(text)
    kind, reason = _TYPES.get(" ".join(fields.get("feedback-type", [""])).strip().lower(), ("complaint", "abuse"))
    named = [*fields.get("original-rcpt-to", []), *fields.get("x-hmxmroriginalrecipient", [])]
    recipients = list(dict.fromkeys(filter(None, (addresses.of_field(decoded(value)) for value in named))))
    if not recipients:
        recipients = _of_message(returned)
    if kind == "none":
        return [ReportEvent("none", recipients[0] if recipients else None, reason=reason)]
    return _events(kind, recipients, reason)


def _of_message(returned: dict[str, str]) -> list[str]:
    for name in ("x-hmxmroriginalrecipient", "x-original-recipient", "to", "delivered-to"):
        recipients = addresses.of_header(decoded(returned.get(name, "")))
        if recipients:
            return recipients[:1]
    return []


def _all_fields(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in text.split("\n")[: MOST_RECIPIENTS + 50]:
        name, mark, value = line.partition(":")
        if mark and " " not in name.strip():
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return fields


def hotmail(message: Part) -> list[ReportEvent]:
    """Events if this is the older form: from staff@hotmail.com or its kin, with the message as its only part."""
    sender = decoded(message.get("from")).lower()
    subject = decoded(message.get("subject")).lower()
    if "complaint about message from" not in subject and not (
        sender.startswith(("staff@hotmail", "<staff@hotmail")) or "staff@hotmail.com" in sender
    ):
        return []
    inner = next((part for part in message.parts if part.kind == "message/rfc822"), None)
    headers = headers_of(inner.body.lstrip("\n"))[0] if inner is not None else headers_of(message.body.lstrip("\n"))[0]
    recipients = _of_message({"x-hmxmroriginalrecipient": message.get("x-hmxmroriginalrecipient")}) or _of_message(
        headers
    )
    return _events("complaint", recipients, "abuse")


def _events(kind: Kind, recipients: list[str], reason: str) -> list[ReportEvent]:
    named: list[str | None] = [*recipients] or [None]
    return [ReportEvent(kind, address, reason=reason, fault="recipient") for address in named]
