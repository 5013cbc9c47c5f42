"""What a message that came back says. A report goes from the process that reads it to the one that asked, so what it
says nothing of is left out (omit_defaults)."""

from typing import Literal

from msgspec import Struct

Kind = Literal["hard", "soft", "complaint", "auto-reply", "unsubscribe", "reply", "none"]
Fault = Literal["recipient", "message", "route"]

# Of several recipients in one message, the kind of the message is the first of these that any of them has.
KINDS: tuple[Kind, ...] = ("complaint", "unsubscribe", "hard", "soft", "auto-reply", "reply", "none")


class ReportEvent(Struct, frozen=True, omit_defaults=True):
    """About one recipient. `status`: RFC 3463, the reason's own where the server gave none or lied. `reply`: the three
    digits of an SMTP reply. `reason`: a word of reasons.REASONS or of OTHER_REASONS. `text`: the
    server's words. `also`: further addresses by which it calls the recipient, as behind an alias."""

    kind: Kind
    recipient: str | None = None
    status: str | None = None
    reply: int | None = None
    fault: Fault | None = None
    reason: str = ""
    text: str = ""
    also: tuple[str, ...] = ()


class Hints(Struct, frozen=True, omit_defaults=True):
    """What may identify our message: whoever writes bounces can write these, so each is verified before it counts.

    `returned_to`: where this message went, which may be a signed return address. `return_path`: of the message that
    came back. `original_recipient`: its To header.
    """

    returned_to: tuple[str, ...] = ()
    return_path: str | None = None
    message_id: str | None = None
    list_unsubscribe: tuple[str, ...] = ()
    original_recipient: str | None = None
    in_reply_to: str | None = None


class Attachment(Struct, frozen=True, omit_defaults=True):
    """`place`: its number among the parts of the message. `size`: bytes, decoded."""

    place: int
    name: str
    size: int


class ReplyContent(Struct, frozen=True, omit_defaults=True):
    """`message_id`, `references`: without brackets, `references` with In-Reply-To at its end. `wants_to_leave`: their
    own words say little else. `may_be_answered`: an automatic answer may go to its sender (RFC 3834, 2)."""

    sender_name: str = ""
    sender: str = ""
    subject: str = ""
    words: str = ""
    quoted: str = ""
    attachments: tuple[Attachment, ...] = ()
    message_id: str = ""
    references: tuple[str, ...] = ()
    wants_to_leave: bool = False
    may_be_answered: bool = False


class Report(Struct, frozen=True, omit_defaults=True):
    """`dialect`: which parser read it. `sender_is_null`: it came from <>, so it is never answered (RFC 3834).
    `content`: of what a person wrote."""

    events: tuple[ReportEvent, ...]
    dialect: str = ""
    hints: Hints = Hints()
    sender_is_null: bool = False
    content: ReplyContent | None = None

    @property
    def main(self) -> ReportEvent:
        """The event that stands for the message."""
        first, *others = self.events
        return min(self.events, key=lambda event: KINDS.index(event.kind)) if others else first

    @property
    def kind(self) -> Kind:
        return self.main.kind
