"""The standard report of a delivery (RFC 3464, in the frame of RFC 6522; RFC 6533 for addresses beyond ASCII)."""

from collections.abc import Iterator

from msgspec import structs

from samizdat.core.bounce import addresses, verdict
from samizdat.core.bounce.mime import decoded
from samizdat.core.bounce.report import ReportEvent
from samizdat.core.bounce.verdict import ServerWords

KINDS = frozenset({"message/delivery-status", "message/global-delivery-status"})
MOST_RECIPIENTS = 500
# What happened to these is no failure.
FINE = frozenset({"delivered", "relayed", "expanded", "deliverable"})
_ADDRESS_FIELDS = ("original-recipient", "final-recipient", "x-actual-recipient", "x-original-recipient")


def is_report(text: str) -> bool:
    """Does this have the fields of such a report, whatever it is called?"""
    head = text[:20_000].lower()
    return "final-recipient" in head or ("original-recipient" in head and "action" in head)


def blocks(text: str) -> Iterator[dict[str, str]]:
    """The fields of each recipient. Fields of one that are torn apart by an empty line belong together."""
    held: dict[str, str] = {}
    for block in _blocks(text):
        begins = "final-recipient" in block or "original-recipient" in block
        if begins and held and ("final-recipient" in held or "original-recipient" in held):
            yield held
            held = {}
        if begins or held:
            held |= {name: value for name, value in block.items() if name not in held}
        elif "action" in block or "status" in block:
            held = block
    if held:
        yield held


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for piece in text.strip("\n").split("\n\n")[: MOST_RECIPIENTS + 5]:
        lines = piece.split("\n")
        begun = [n for n, line in enumerate(lines) if line.lower().startswith("final-recipient")]
        if len(begun) < 2:
            yield _fields(lines)
            continue
        for start, end in zip([0, *begun[1:]], [*begun[1:], len(lines)], strict=True):
            yield _fields(lines[start:end])


def _fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines[:200]:
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += " " + line.strip()
            continue
        before, mark, value = line.partition(":")
        before = before.strip().lower()
        if mark and before and " " not in before and len(before) < 60:
            name = before
            if name in fields:
                name += "+"
            fields[name] = value.strip()
        elif name:
            fields[name] += " " + line.strip()  # A long Diagnostic-Code that was not folded.
    return fields


def read(
    text: str, around: str, written_to: frozenset[str] = frozenset(), behind_filter: bool = False
) -> list[ReportEvent]:
    """`around`: the words for people beside it. `written_to`: recipients of the message that came back."""
    events: list[ReportEvent] = []
    for fields in blocks(text):
        happened = _event(fields, around, written_to, behind_filter)
        if happened is not None and not _repeated(happened, events):
            events.append(happened)
        if len(events) >= MOST_RECIPIENTS:
            break
    return _without_dead_of_living(events)


def _without_dead_of_living(events: list[ReportEvent]) -> list[ReportEvent]:
    """An address that leads to several mailboxes lives while one of them does."""
    return [event for event in events if not any(_outlives(other, event) for other in events)] if events[1:] else events


def _outlives(other: ReportEvent, event: ReportEvent) -> bool:
    if not event.recipient or other.recipient != event.recipient or event.reason == "delivered":
        return False
    return other.reason == "delivered" or (event.kind == "hard" and other.kind == "soft" and other.also != event.also)


def _repeated(new: ReportEvent, events: list[ReportEvent]) -> bool:
    return any(old.recipient == new.recipient and old.kind == new.kind for old in events[-3:])


def recipients(fields: dict[str, str], written_to: frozenset[str]) -> list[str]:
    """Whom we wrote to first: the address that the message was sent to, else the original one, since the final one is
    a stranger's where an address is forwarded."""
    read = [addresses.of_field(decoded(fields[name])) for name in _ADDRESS_FIELDS if name in fields]
    distinct = list(dict.fromkeys(address for address in read if address))
    return sorted(distinct, key=lambda address: address.lower() not in written_to)


def _event(fields: dict[str, str], around: str, written_to: frozenset[str], behind_filter: bool) -> ReportEvent | None:
    action = fields.get("action", "failed").lower().strip("[]<> ").partition(" ")[0].rstrip(";,(")
    named = recipients(fields, written_to)
    address = named[0] if named else None
    written = fields.get("status", "")
    status = verdict.STATUS.search(written)
    if action in FINE or (status and status[1][0] == "2" and action != "failed"):
        return ReportEvent("none", address, status[1] if status else None, reason="delivered")
    text = diagnostic(fields)
    if not text and "(" in written:
        text = written.partition("(")[2].rstrip(") ")
    near = _near(around, address)
    heard = ServerWords(
        text, near, status[1] if status else "", behind_filter or answers_data(text, near), action == "delayed"
    )
    happened = verdict.event(address, heard)
    return structs.replace(happened, also=tuple(named[1:])) if len(named) > 1 else happened


def diagnostic(fields: dict[str, str]) -> str:
    """Words of Diagnostic-Code, without its type."""
    value = fields.get("diagnostic-code", "")
    kind, mark, rest = value.partition(";")
    value = rest.strip() if mark and len(kind) < 30 and " " not in kind.strip() else value
    also = fields.get("diagnostic-code+", "")
    return decoded(f"{value} {also.partition(';')[2] or also}".strip())


def answers_data(text: str, near: str) -> bool:
    """Was it said to DATA or the final dot? Of Postfix and of transcripts; where both stand, the first."""
    for heard in (text, near[:1500]):
        lower = heard.lower()
        if (
            "in reply to end of data" in lower
            or "in reply to data" in lower
            or "[data]" in lower
            or "smtp command\ndata" in lower
        ):
            return not any(part in lower for part in ("rcpt to command", "[rcpt_to]"))
    return False


def _near(around: str, address: str | None) -> str:
    """The words for people from this address to the next, or all of a short text."""
    if not address:
        return around[:1500]
    at = around.lower().find(address.lower())
    return around[at : at + 1200] if at >= 0 else around[:1500]
