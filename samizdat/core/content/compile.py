"""Content and template become an edition: static bytes with typed slots, or flaws with line numbers.

All thinking about headers, markup and links happens here, once; core/content/message.py only joins. The rules that make
it right: text is cut at its slots before it is encoded; quoted-printable only (base64 depends on position); a slot
begins a physical line and a soft break follows it, so it moves no other line; no line begins with a dot, a dash or
"From "; no blank stands twice or at a line's end, so the body is a fixed point of DKIM's relaxed canonicalization.
"""

import html
import re
from base64 import encodebytes
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from samizdat.core.content.merge import MOST_CONDITIONS, MergeCondition, different
from samizdat.core.content.message import (
    LINE,
    MARK,
    CompiledContent,
    ConditionalParts,
    Unmakeable,
    ValueSlot,
    encoded_words,
    mailbox,
    one_line,
    phrase,
    soft_lines,
)
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import (
    Content,
    Piece,
    RenderedContent,
    TemplateEdge,
    conditions_of,
    counted_links,
    render,
    tidy,
)
from samizdat.core.content.render.checks import fetched

MAX_SUBJECT = 255  # a subject is read on one line; more is a body in the wrong field, or an attempt at headers
MAX_NAME = 128
# Bytes of all pictures inside a message, as they travel. Every reader's copy carries them: a million for ten thousand
# readers are 10 GB through the relay, and filters look twice at a newsletter that weighs more.
MAX_INSIDE = 1_000_000
# What stands after image/ in a message and ends the address of a picture.
ImageKind = Literal["jpeg", "png", "gif", "webp"]
IMAGE_KINDS: tuple[str, ...] = get_args(ImageKind)


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that travels in the message. `url` is how the letter says it, `cid` its Content-ID without brackets,
    `kind` what stands after image/.
    """

    url: str
    cid: str
    kind: str
    data: bytes


# From the addresses of pictures that a letter shows to those of them that it carries.
type Carries = Callable[[Collection[str]], Iterable[InlineImage]]


@dataclass(frozen=True, slots=True)
class CompileProof:
    """What came of compiling: the edition when nothing stops it, and all flaws in either case.

    `inside`: bytes of the pictures that the message carries, as they travel. `counted`: addresses that lead through
    the public host, in the order of the letter; the letter here has them as they were written. `content`: what it was
    compiled from.
    """

    compiled: CompiledContent | None
    flaws: tuple[ContentProblem, ...]
    letter: RenderedContent
    content: Content
    inside: int = 0
    counted: tuple[str, ...] = ()


def compile_letter(
    content: Content,
    *,
    now: datetime,
    boundary: str,
    carries: Carries | None = None,
    through: counted_links.Through | None = None,
    rendered: Callable[..., RenderedContent] = render,
) -> CompileProof:
    """Compile a letter.

    `now` is aware and in the organization's time zone: it fills DATE and CURRENT_YEAR. `boundary` is 8 to 60 letters
    and digits, drawn by the caller, the same for every message of the edition. `through`: by which addresses links are
    reached whose presses are counted; None leaves all as they are. `rendered`: in place of our own `render`. A flaw of
    severity "stop": no edition.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{8,60}", boundary):
        raise ValueError("A boundary is 8 to 60 letters and digits.")
    given, content = content, tidy(content)
    letter = rendered(content, now=now)
    inside = _carried(letter, carries) if carries else {}
    weight = sum(len(coded) for _picture, coded in inside.values())
    flaws = (
        *_header_flaws(content),
        *fetched(letter.flaws, inside),
        *condition_flaws(conditions_of(letter)),
        *_weight_flaws(weight),
    )
    if any(flaw.severity == "stop" for flaw in flaws):
        return CompileProof(None, flaws, letter, given, weight)
    counted = counted_links.countable(letter, content.website) if through else ()
    sent = counted_links.through(letter, content.website, through(counted)) if through and counted else letter
    return CompileProof(_assemble(content, sent, boundary, inside), flaws, letter, given, weight, counted)


# --- pictures that travel in the message ---

_SOURCE = re.compile(r'(?<=[\s"])(src|background)="([^"]*)"')


def _carried(letter: RenderedContent, carries: Carries) -> dict[str, tuple[InlineImage, bytes]]:
    """By the address that the letter has for it, each picture and its base64 in lines of 76, which hold no blank. None
    of a kind that pictures don't have: that would be text of the message."""
    urls = {html.unescape(url) for piece in letter.html if isinstance(piece, str) for _, url in _SOURCE.findall(piece)}
    return {
        picture.url: (picture, encodebytes(picture.data).replace(b"\n", b"\r\n"))
        for picture in carries(sorted(urls))
        if picture.kind in IMAGE_KINDS
    }


def condition_flaws(conditions: Iterable[MergeCondition]) -> list[ContentProblem]:
    """conditions: of a letter, or of all its versions."""
    if len(different(conditions)) <= MOST_CONDITIONS:
        return []
    return [ContentProblem(0, "conditions_many", {"limit": f"{MOST_CONDITIONS}"}, place="letter")]


def _weight_flaws(weight: int) -> list[ContentProblem]:
    if weight <= MAX_INSIDE:
        return []
    values = {"size": f"{weight / 1000:,.0f}", "limit": f"{MAX_INSIDE // 1000:,}"}
    return [ContentProblem(1, "pictures_heavy", values, place="letter")]


def _by_cid(pieces: Iterable[Piece], inside: dict[str, tuple[InlineImage, bytes]]) -> tuple[Piece, ...]:
    def named(source: re.Match[str]) -> str:
        entry = inside.get(html.unescape(source[2]))
        return f'{source[1]}="cid:{entry[0].cid}"' if entry else source[0]

    return tuple(_SOURCE.sub(named, piece) if isinstance(piece, str) else piece for piece in pieces)


# --- checks of what goes into headers ---

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
_SENDER = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*@{_HOST}")
_LIST_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_FEEDBACK = re.compile(r"[A-Za-z0-9._-]*(?::[A-Za-z0-9._-]*){0,3}")


def _header_flaws(content: Content) -> list[ContentProblem]:
    return [
        *_subject_flaws(content.subject),
        *_sender_flaws(content),
        *_identity_flaws(content),
    ]


def _subject_flaws(subject: str) -> list[ContentProblem]:
    if not subject.strip():
        return [ContentProblem(1, "subject_empty", place="subject")]
    flaws = []
    if _has_control(subject):
        flaws.append(ContentProblem(1, "subject_lines", place="subject"))
    if len(subject) > MAX_SUBJECT:
        flaws.append(
            ContentProblem(1, "subject_long", {"size": f"{len(subject):,}", "limit": f"{MAX_SUBJECT}"}, place="subject")
        )
    return flaws


def _has_control(text: str) -> bool:
    return one_line(text.strip(" ")) != text.strip(" ")


def _sender_flaws(content: Content) -> list[ContentProblem]:
    flaws = []
    if _has_control(content.from_name):
        flaws.append(ContentProblem(1, "name_lines", place="from"))
    if len(content.from_name) > MAX_NAME:
        values = {"size": f"{len(content.from_name):,}", "limit": f"{MAX_NAME}"}
        flaws.append(ContentProblem(1, "name_long", values, place="from"))
    if not content.from_address.strip():
        flaws.append(ContentProblem(1, "from_empty", {}, place="from"))
    elif not _may_send(content.from_address):
        flaws.append(ContentProblem(1, "from_bad", {"address": _shown(content.from_address)}, place="from"))
    if content.reply_to and not _may_send(content.reply_to):
        flaws.append(ContentProblem(1, "reply_bad", {"address": _shown(content.reply_to)}, place="reply_to"))
    return flaws


def _may_send(address: str) -> bool:
    """A sender must be plain ASCII: one beyond it would keep the letter from every server without SMTPUTF8."""
    if len(address) > 254 or not _SENDER.fullmatch(address):
        return False
    try:
        return bool(mailbox(address))
    except Unmakeable:
        return False


def _identity_flaws(content: Content) -> list[ContentProblem]:
    flaws = []
    if content.list_id and not (_LIST_ID.fullmatch(content.list_id) and len(content.list_id) <= 250):
        flaws.append(ContentProblem(1, "list_id_bad", {"value": _shown(content.list_id)}, place="letter"))
    if content.feedback_id and not (_FEEDBACK.fullmatch(content.feedback_id) and len(content.feedback_id) <= 120):
        flaws.append(ContentProblem(1, "feedback_bad", {"value": _shown(content.feedback_id)}, place="letter"))
    return flaws


def _shown(text: str) -> str:
    text = one_line(text).strip() or "(nothing)"
    return text if len(text) <= 60 else text[:57] + "..."


# --- assembling ---


def _assemble(
    content: Content,
    letter: RenderedContent,
    boundary: str,
    inside: dict[str, tuple[InlineImage, bytes]] | None = None,
) -> CompiledContent:
    outer = f"=_{boundary}"  # "=_" never occurs in quoted-printable, so no text can hold the boundary
    message = _Assembly()
    _headers(message, content, letter, outer)
    _text(message, outer, "plain", letter.text)
    if inside:
        _related(message, outer, f"=_r_{boundary}", letter, inside)
    else:
        _text(message, outer, "html", letter.html)
    message.write(f"--{outer}--\r\n")
    return message.compiled(letter)


def _text(message: "_Assembly", boundary: str, subtype: str, pieces: tuple[Piece, ...]) -> None:
    message.write(
        f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    message.body(pieces)
    message.write("\r\n")


def _related(
    message: "_Assembly",
    outer: str,
    inner: str,
    letter: RenderedContent,
    inside: dict[str, tuple[InlineImage, bytes]],
) -> None:
    """RFC 2387: the HTML and the pictures that it shows by their Content-ID, as the second of the two alternatives.

    They come last and are static, so all messages of an edition share these bytes; hashing them is what they cost.
    """
    message.write(f'--{outer}\r\nContent-Type: multipart/related; type="text/html";\r\n boundary="{inner}"\r\n\r\n')
    _text(message, inner, "html", _by_cid(letter.html, inside))
    for number, (picture, coded) in enumerate(inside.values(), start=1):
        message.write(
            f"--{inner}\r\nContent-Type: image/{picture.kind}\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-ID: <{picture.cid}>\r\n"
            f'Content-Disposition: inline; filename="picture-{number}.{picture.kind}"\r\n\r\n'
        ).write(coded).write("\r\n")
    message.write(f"--{inner}--\r\n\r\n")


def _headers(message: "_Assembly", content: Content, letter: RenderedContent, boundary: str) -> None:
    message.write(f"From: {phrase(content.from_name)}<{content.from_address}>\r\nTo: ")
    if letter.to_name:
        message.slot(ValueSlot("phrase", "TO_NAME"))
    message.write("<").slot(ValueSlot("address", "EMAIL")).write(">\r\n")
    if content.reply_to:
        message.write(f"Reply-To: <{content.reply_to}>\r\n")
    message.write("Subject:")
    message.subject(letter.subject)
    message.write("\r\nDate: ").slot(ValueSlot("raw", "DATE"))
    message.write("\r\nMessage-ID: ").slot(ValueSlot("raw", "MESSAGE_ID")).write("\r\n")
    if content.list_id:
        message.write(f"List-Id: <{content.list_id}>\r\n")
    # RFC 8058: exactly one https address first; the mail way only where somebody reads that mailbox.
    message.write("List-Unsubscribe: <").slot(ValueSlot("raw", "UNSUB_URL")).write(">")
    if content.unsubscribe_mailbox:
        message.write(",\r\n <").slot(ValueSlot("raw", "LEAVE_MAILTO")).write(">")
    message.write("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    # Neither is a standard, both keep vacation programs from answering the whole list.
    message.write("Precedence: bulk\r\nX-Auto-Response-Suppress: All\r\n")
    if content.feedback_id:
        message.write(f"Feedback-ID: {content.feedback_id}\r\n")
    message.write(f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n')


class _Assembly:
    """Static bytes and slots in the order of the message."""

    def __init__(self) -> None:
        self.parts: list[bytearray] = [bytearray()]
        self.slots: list[ValueSlot] = []
        self.choices: list[list[tuple[MergeCondition | None, int, int]]] = []
        self.open: list[list[tuple[MergeCondition | None, int, int]]] = []

    def write(self, text: str | bytes) -> "_Assembly":
        self.parts[-1] += text.encode("ascii") if isinstance(text, str) else text
        return self

    def slot(self, slot: ValueSlot) -> "_Assembly":
        self.slots.append(slot)
        self.parts.append(bytearray())
        return self

    def edge(self, edge: TemplateEdge) -> None:
        """A mark where a run of parts begins or ends; between branches one mark is both."""
        mark = len(self.slots)
        self.slot(MARK)
        if edge.kind == "if":
            self.open.append([])
            self.choices.append(self.open[-1])
        else:
            condition, first, _ = self.open[-1][-1]
            self.open[-1][-1] = (condition, first, mark)
        if edge.kind == "end":
            self.open.pop()
        else:
            self.open[-1].append((edge.condition, mark, -1))

    def subject(self, pieces: tuple[Piece, ...]) -> None:
        if all(isinstance(piece, str) for piece in pieces):
            self.write(" " + _folded("".join(str(piece) for piece in pieces)))
            return
        # With slots every piece is an encoded word of its own: between two of those blanks do not count (RFC 2047).
        start = [True]
        for piece in pieces:
            if isinstance(piece, TemplateEdge):
                self.edge(piece)
                if piece.kind == "if":
                    start.append(start[-1])
                elif piece.kind == "turn":
                    start[-1] = start[-2]
                else:
                    start.pop()
                    start[-1] = False
            else:
                self._subject_piece(piece, start[-1])
                start[-1] = False

    def _subject_piece(self, piece: str | ValueSlot, start: bool) -> None:
        if isinstance(piece, ValueSlot):
            self.slot(ValueSlot("subject_start" if start else "subject", piece.name, piece.default))
        elif text := one_line(piece):
            self.write((" " if start else "\r\n ") + "\r\n ".join(encoded_words(text)))

    def body(self, pieces: tuple[Piece, ...]) -> None:
        """One body in quoted-printable. Before each slot and mark the line is ended, softly where need be."""
        after_slot = False
        for piece in pieces:
            if isinstance(piece, str):
                if after_slot and not piece.startswith("\n"):
                    self.write(b"=\r\n")
                self.write(quoted_text(piece))
                after_slot = False
                continue
            if after_slot:
                self.write(b"=\r\n")
            if isinstance(piece, TemplateEdge):
                self.edge(piece)
                after_slot = False
            else:
                self.slot(piece)
                after_slot = True
        if after_slot:
            self.write(b"=\r\n")

    def compiled(self, letter: RenderedContent) -> CompiledContent:
        return CompiledContent(
            tuple(bytes(part) for part in self.parts),
            tuple(self.slots),
            tuple(ConditionalParts(tuple(branches)) for branches in self.choices),
            letter.to_name,
            letter.fields,
            letter.links,
        )


def _folded(subject: str) -> str:
    """An unstructured header's value without slots: as it is where that is ASCII, else RFC 2047."""
    subject = one_line(subject).strip()
    if not subject.isascii() or "=?" in subject or "  " in subject:
        return "\r\n ".join(encoded_words(subject))
    lines, room = [""], LINE - len("Subject: ")
    for word in subject.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = LINE - 1
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    # A word too long for any line is only safe inside of encoded words: lines end at 998.
    if any(len(line) > 200 for line in lines):
        return "\r\n ".join(encoded_words(subject))
    return "\r\n ".join(lines)


_CODED = re.compile(rb"[^\x20-\x3c\x3e-\x7e]|(?<= ) | \Z")


def quoted_text(text: str) -> bytes:
    """Static text as quoted-printable, from the beginning of a line to the beginning of a line.

    What does not end with a line break ends with a soft one. No blank stands twice or at the end of a hard line.
    """
    *lines, rest = text.split("\n")
    coded = [b"=\r\n".join(soft_lines(_line(line))) + b"\r\n" for line in lines]
    if rest:
        coded.append(b"=\r\n".join(soft_lines(_line(rest))) + b"=\r\n")
    return b"".join(coded)


def _line(line: str) -> bytes:
    return _CODED.sub(lambda odd: b"=%02X" % odd[0][0], line.encode())
