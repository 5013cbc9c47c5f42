"""Complaints: the abuse report (RFC 5965), and Hotmail's older form, which is the message and nothing else."""

from samizdat.core.bounce import addresses
from samizdat.core.bounce.mime import Part, decoded, headers_of
from samizdat.core.bounce.report import Event, Kind

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


def read(text: str, returned: dict[str, str]) -> list[Event]:
    """`returned`: headers of the message complained about."""
    fields = _all_fields(text)
    kind, reason = _TYPES.get(" ".join(fields.get("feedback-type", [""])).strip().lower(), ("complaint", "abuse"))
    named = [*fields.get("original-rcpt-to", []), *fields.get("x-hmxmroriginalrecipient", [])]
    found = list(dict.fromkeys(filter(None, (addresses.of_field(decoded(value)) for value in named))))
    if not found:
        found = _of_message(returned)
    if kind == "none":
        return [Event("none", found[0] if found else None, reason=reason)]
    return _events(kind, found, reason)


def _of_message(returned: dict[str, str]) -> list[str]:
    for name in ("x-hmxmroriginalrecipient", "x-original-recipient", "to", "delivered-to"):
        found = addresses.of_header(decoded(returned.get(name, "")))
        if found:
            return found[:1]
    return []


def _all_fields(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in text.split("\n")[: MOST_RECIPIENTS + 50]:
        name, mark, value = line.partition(":")
        if mark and " " not in name.strip():
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return fields


def hotmail(message: Part) -> list[Event]:
    """Events if this is the older form: from staff@hotmail.com or its kin, with the message as its only part."""
    sender = decoded(message.get("from")).lower()
    subject = decoded(message.get("subject")).lower()
    if "complaint about message from" not in subject and not (
        sender.startswith(("staff@hotmail", "<staff@hotmail")) or "staff@hotmail.com" in sender
    ):
        return []
    inner = next((part for part in message.parts if part.kind == "message/rfc822"), None)
    headers = headers_of(inner.body.lstrip("\n"))[0] if inner is not None else headers_of(message.body.lstrip("\n"))[0]
    found = _of_message({"x-hmxmroriginalrecipient": message.get("x-hmxmroriginalrecipient")}) or _of_message(headers)
    return _events("complaint", found, "abuse")


def _events(kind: Kind, found: list[str], reason: str) -> list[Event]:
    named: list[str | None] = [*found] or [None]
    return [Event(kind, address, reason=reason, fault="recipient") for address in named]
