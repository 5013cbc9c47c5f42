"""A raw message becomes a report."""

from collections.abc import Sequence

from msgspec import structs

from samizdat.core.bounce import addresses, delivery_status, feedback, notices, replies, reply_content, sns
from samizdat.core.bounce.mime import Part, Unreadable, decoded, headers_of, leaves, split
from samizdat.core.bounce.report import Hints, ReplyContent, Report, ReportEvent

_RETURNED = frozenset(
    {
        "message/rfc822",
        "message/rfc822-headers",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
        "message/partial",
        "message/news",
    }
)
_REPORTS = frozenset({"dmarc", "tlsrpt", "dmarc-report"})


# Kinds of what a person wrote.
FROM_PEOPLE = ("reply", "unsubscribe")
UNREADABLE = Report((ReportEvent("none", reason="unreadable"),), "unreadable")


def read(raw: bytes, size: int | None = None) -> Report:
    """What has more bytes, parts or levels than any report is UNREADABLE. `size`: of the whole message, where `raw` is
    its first mime.BYTES_READ bytes."""
    try:
        message = split(raw, size)
    except Unreadable:
        return UNREADABLE
    parts = list(leaves(message))
    events, dialect, returned = _events(message, parts)
    report = Report(tuple(events), dialect, hints(message, returned), message.get("return-path").strip() == "<>")
    if report.kind not in FROM_PEOPLE:
        return report
    return structs.replace(report, content=reply_content.read(message, raw, report.main.recipient or ""))


def read_all(raws: Sequence[bytes], sizes: Sequence[int]) -> tuple[Report, ...]:
    """The same for many: a process that reads them is asked once."""
    return tuple(read(raw, size) for raw, size in zip(raws, sizes, strict=True))


def contents(raws: Sequence[bytes]) -> tuple[ReplyContent | None, ...]:
    """What is written in each message, of whatever kind it is; None for one that nobody can read."""
    return tuple(map(_content, raws))


def _content(raw: bytes) -> ReplyContent | None:
    try:
        message = split(raw)
    except Unreadable:
        return None
    return reply_content.read(message, raw, replies.sender_of(message) or "")


def _events(message: Part, parts: list[Part]) -> tuple[list[ReportEvent], str, dict[str, str]]:
    returned_part = next((part for part in parts if part.kind in _RETURNED and part is not message), None)
    returned = headers_of(returned_part.body.lstrip("\n"))[0] if returned_part is not None else {}
    kind = message.parameters.get("report-type", "").lower()
    complaint = next((part for part in parts if feedback.is_report(part)), None)
    if complaint is not None:
        return feedback.read(complaint.text, returned), "ARF", returned
    older = feedback.hotmail(message)
    if older:
        return older, "Hotmail", returned
    text = text_of(parts)
    if "x-amz-sns-message-id" in message.headers:
        events = sns.read(text)
        if events:
            return events, "Amazon SNS", returned
    report = next((part for part in parts if part.kind in delivery_status.KINDS), None)
    # Beside a report there is little else: 60 searches for where the message begins would take as long as the rest.
    server, came_back = (text[:6000], "") if report is not None and returned else notices.cut(text)
    if not returned:
        returned = _headers_behind(came_back)
    written_to = frozenset(
        address.lower() for name in ("to", "cc") for address in addresses.of_header(decoded(returned.get(name, "")))
    )
    if report is not None:
        events = delivery_status.read(report.text, server, written_to, notices.behind_filter(message))
        if any(event.recipient for event in events):
            if not notices.by_server(message) and replies.is_challenge(message, server):
                return [replies.read(message, server)], "mail", returned
            return events, "RFC 3464", returned
    wrapped = _wrapped(message, parts, came_back) if report is None else None
    if wrapped is not None:
        return _events(wrapped, list(leaves(wrapped)))
    if kind in _REPORTS or _about_mail(message, parts):
        return [ReportEvent("none", reason="report")], "report", returned
    if _is_receipt(kind, parts, text):
        return [ReportEvent("none", reason="delivered")], "receipt", returned
    if report is None and notices.by_server(message) and notices.is_receipt(message, server):
        return [ReportEvent("none", reason="delivered")], "receipt", returned
    is_notice, dialect = notices.looks_like_one(message, server)
    if is_notice or report is not None:
        if delivery_status.is_report(text):
            events = delivery_status.read(text[text.lower().find("\n\n") :], server)
            if any(event.recipient for event in events):
                return events, "RFC 3464", returned
        if not replies.is_challenge(message, server) and not _away(message):
            if (
                not notices.recipients(server, notices.own(message, returned))
                and "x-failed-recipients" not in message.headers
            ):
                wrapped = _wrapped(message, parts, came_back, True)
                if wrapped is not None:
                    return _events(wrapped, list(leaves(wrapped)))
            events = notices.read(message, server, returned, dialect)
            if returned or any(event.recipient for event in events):
                return events, dialect, returned
            return [ReportEvent("none", reason="unclear")], dialect, returned
    if notices.by_server(message) and not replies.leaves(message, server) and not replies.is_automatic(message):
        return [ReportEvent("none", reason="unclear")], "", returned
    return [replies.read(message, server)], "mail", returned


def _behind_words(text: str) -> str:
    """From the empty line before the first field of a report on."""
    lower = text.lower()
    at = min(place for name in ("final-recipient", "original-recipient") if (place := lower.find(name)) >= 0)
    return text[max(0, text.rfind("\n\n", 0, at)) :]


def _wrapped(message: Part, parts: list[Part], came_back: str, without_words: bool = False) -> Part | None:
    """A report inside a message that says it's one, as some gateways wrap it. What a person forwards is none, and what
    a server returns with words of its own is what we wrote."""
    inner = next((part.body for part in parts if part.kind == "message/rfc822"), "")
    if "report" not in message.get("content-type") and not (without_words and inner):
        begins = notices.HEADER_LINE.search(came_back) if notices.by_server(message) else None
        inner = came_back[begins.start() :] if begins else ""
    if "multipart/report" not in inner[:5000].lower():
        return None
    wrapped = split(inner.encode("latin-1", "replace"))
    return wrapped if any(part.kind in delivery_status.KINDS for part in leaves(wrapped)) else None


def _away(message: Part) -> bool:
    """An automatic reply that its sender did not send as a mail server."""
    return (
        "x-failed-recipients" not in message.headers
        and replies.is_automatic(message)
        and not notices.by_server(message)
    )


def text_of(parts: list[Part]) -> str:
    """The words for people: the first plain part, else the first of HTML."""
    first = [part for part in parts if part.kind not in _RETURNED and part.kind not in delivery_status.KINDS]
    for part in first:
        if part.kind.startswith("text/plain") or part.kind in ("text", "plain/text", "text/enriched"):
            text = part.text
            if text.strip():
                return text
    for part in first:
        if part.kind == "text/html":
            return part.text
    return first[0].text if first and not first[0].kind.startswith(("image/", "application/", "audio/")) else ""


def _headers_behind(came_back: str) -> dict[str, str]:
    if not came_back:
        return {}
    place = notices.HEADER_LINE.search(came_back)
    return headers_of(came_back[place.start() :].lstrip(" \t>"))[0] if place else {}


def _about_mail(message: Part, parts: list[Part]) -> bool:
    subject = decoded(message.get("subject")).lower()
    packed = any(
        part.kind
        in (
            "application/gzip",
            "application/zip",
            "application/x-gzip",
            "application/tlsrpt+gzip",
            "application/tlsrpt+json",
            "application/x-zip-compressed",
        )
        for part in parts
    )
    return packed and (
        "report domain" in subject or "dmarc" in subject or "submitter:" in subject or "tlsrpt" in subject
    )


def _is_receipt(kind: str, parts: list[Part], text: str) -> bool:
    mdn = next((part for part in parts if part.kind == "message/disposition-notification"), None)
    if mdn is None:
        return kind == "disposition-notification"
    return not ("automatic-action" in mdn.body.lower() and "reject" in text[:2000].lower())


def hints(message: Part, returned: dict[str, str]) -> Hints:
    to = [
        address
        for name in ("to", "delivered-to", "x-original-to", "envelope-to")
        for address in addresses.of_header(message.get(name))
    ]
    listed = returned.get("list-unsubscribe", "")[:2000]
    return Hints(
        tuple(dict.fromkeys(to)),
        addresses.first(returned.get("return-path", "")),
        returned.get("message-id", "").strip("<> ")[:300] or None,
        tuple(part.strip("<> ") for part in listed.split(",") if part.strip()),
        addresses.first(decoded(returned.get("to", ""))),
        message.get("in-reply-to").strip("<> ")[:300] or None,
    )
