"""Edition parts and one subscriber's values become the bytes of their message.

A compiled letter is static bytes with typed slots between them. Each slot stands between two soft line breaks, so
a value never moves another line, and each kind of slot has one encoder, so a value never leaves its place: not out
of a header, not out of an attribute, not into a MIME boundary. Conditions on a subscriber's values choose between
runs of parts that are encoded already, so a letter with conditions costs hardly more than one without.

The budget is 10 us for a message of 36 kB with 29 slots.
"""

import html
import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, Literal, get_args
from urllib.parse import quote

import msgspec
from msgspec import Struct

from samizdat.core import dates
from samizdat.core.content.merge import PERSONAL, MergeCondition
from samizdat.core.content.merge.tree import folded_groups
from samizdat.core.fields import in_address, in_letter

Kind = Literal[
    "phrase",  # a name before <address>, header
    "address",  # a mailbox inside < >, header
    "subject",  # part of an unstructured header, on a line of its own
    "subject_start",  # the same, first on the header's line
    "html",  # text between tags
    "attr",  # inside a quoted attribute
    "link",  # the beginning or whole of an address in an attribute: only http, https, mailto, tel get through
    "url",  # part of an address: percent-encoded
    "text",  # the plain-text part
    "text_link",  # as "link", in the plain-text part
    "raw",  # a ready header value of ours (Date, Message-ID, List-Unsubscribe): ASCII without blanks around
    "mark",  # nothing: the edge of a condition
]
KINDS: tuple[str, ...] = get_args(Kind)


class Unmakeable(ValueError):
    """This subscriber's message cannot be made; `code` says why. Nobody else's is touched."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ValueSlot(Struct, frozen=True, array_like=True):
    """A place for a value. `name` is a field or built-in; `default` is used when their value is empty."""

    kind: Kind
    name: str
    default: str = ""


MARK = ValueSlot("mark", "")


type Branch = tuple[MergeCondition | None, int, int]


@dataclass(frozen=True, slots=True)
class ConditionalParts:
    """Runs of parts of which one is taken. A branch is (condition or None for else, first slot, last slot).

    Both slots are marks; the run lies between them. Choices inside a run have their own entries.
    """

    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class CompiledContent:
    """An edition: `parts[0] slots[0] parts[1] slots[1] … parts[n]`, never to change again."""

    parts: tuple[bytes, ...]
    slots: tuple[ValueSlot, ...]
    choices: tuple[ConditionalParts, ...] = ()
    to_name: tuple[str | ValueSlot, ...] = ()  # what the TO_NAME phrase is put together from
    fields: tuple[str, ...] = ()  # merge fields it needs a value for, without the built-ins
    links: tuple[str, ...] = ()  # addresses in the letter, in order, each once

    @property
    def conditional(self) -> bool:
        return bool(self.choices)


# --- what may stand where: one encoder for each kind, text in, escaped text out ---

# Line ends, every control character, and Unicode's own line ends become a space. U+200E and such stay: names need them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LONE = re.compile(r"[\ud800-\udfff]")
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ODD_OR_MARKUP = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff&<>\"']")
_SPACES = re.compile(r"\s+")
_SAFE_LINK = re.compile(r"(?:https?|mailto|tel):[^\s<>\"']*$", re.IGNORECASE)


def one_line(text: str) -> str:
    """The value as one line without control characters; half a surrogate pair becomes a replacement mark."""
    if not _ODD.search(text):
        return text
    return _LONE.sub("\ufffd", _CONTROL.sub(" ", text))


def as_html(text: str) -> str:
    return html.escape(one_line(text), quote=False) if _ODD_OR_MARKUP.search(text) else text


def as_attr(text: str) -> str:
    return html.escape(one_line(text), quote=True) if _ODD_OR_MARKUP.search(text) else text


def as_link(text: str) -> str:
    """A reader's field used as a whole address: `javascript:` and what is no address at all become nothing."""
    return html.escape(_web_address(text), quote=True)


def as_text_link(text: str) -> str:
    """What stands between < and > may be a word after all."""
    return _web_address(text) or one_line(in_letter(text))


def _web_address(text: str) -> str:
    text = one_line(text).strip()
    return text if _SAFE_LINK.match(text) else ""


def as_url(text: str) -> str:
    return quote(one_line(text), safe="")


ESCAPES: dict[str, Callable[[str], str]] = {
    "html": as_html,
    "attr": as_attr,
    "link": as_link,
    "url": as_url,
    "text": one_line,
    "text_link": as_text_link,
}


# --- quoted-printable ---

_PLAIN = re.compile(rb"[A-EG-Za-z0-9/:(\"'!*+,;?@_&<>#~][A-Za-z0-9/:()\"'!*+,;?@_&<>#~.\-]*")
# A physical line must not begin with a dot (stuffing), with -- (boundary) or with "From " (mbox).
_BAD_START = re.compile(rb"(?:\A|(?<=\n))[.\-F]")
_AVOIDED = frozenset(b".-F")
LINE = 76  # RFC 2045: an encoded line with its soft break


def quoted(data: bytes) -> bytes:
    """A slot's value as quoted-printable. It begins a physical line and is followed by a soft break."""
    if _PLAIN.fullmatch(data):
        if len(data) < LINE:
            return data
        # A link of ours: one cut, always at the same place.
        if len(data) < 2 * LINE - 2 and data[LINE - 2] not in _AVOIDED:
            return data[: LINE - 2] + b"=\r\n" + data[LINE - 2 :]
    # Everything outside of printable ASCII, blanks too, as =XX: a fixed point of DKIM "relaxed" wherever it stands.
    coded = b2a_qp(data, True, False)
    if len(coded) >= LINE or coded[:1] in (b".", b"-", b"F"):
        return _broken(data)
    return coded


def _broken(data: bytes) -> bytes:
    return b"=\r\n".join(soft_lines(b2a_qp(data, True, False).replace(b"=\n", b"").replace(b"=\r\n", b"")))


def soft_lines(coded: bytes) -> list[bytes]:
    """Cut one encoded logical line so that each piece, with the soft break that follows it, fits a physical line."""
    pieces, start, size = [], 0, len(coded)
    while True:
        first = b""
        if coded[start : start + 1] in (b".", b"-") or coded[start : start + 5] in (b"From ", b"From="):
            first = b"=%02X" % coded[start]
            start += 1
        end = start + LINE - 1 - len(first)
        if end >= size:
            pieces.append(first + coded[start:])
            return pieces
        # never inside =XX, and not inside one character's run of them where that is easy
        escape = coded.rfind(b"=", end - 2, end)
        end = _between_characters(coded, escape if escape > start else end)
        pieces.append(first + coded[start:end])
        start = end


def _between_characters(coded: bytes, end: int) -> int:
    """Step back so that no UTF-8 character is torn over two lines: some old readers decode line by line."""
    back = end
    for _ in range(3):
        if not (coded[back : back + 1] == b"=" and b"8" <= coded[back + 1 : back + 2] <= b"B"):
            return back
        if coded[back - 3 : back - 2] != b"=":  # No character: bytes that are no UTF-8.
            return end
        back -= 3
    return back


# --- headers ---

_PLAIN_PHRASE = 60
# Coded even between quotes: to a mail program that reads recipients there carelessly, it could name one.
_MISREAD = re.compile(r'=\?|[<>@"\\]')
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/^_`{|}~]+)*")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [chr(byte) if byte in _Q_SAFE else "_" if byte == 0x20 else f"={byte:02X}" for byte in range(256)]


def encoded_words(text: str, lead: int = 9) -> list[str]:
    """RFC 2047 words of a text, each whole in itself. Written one after the other they read as the text.

    A word has at most 75 characters and the first fits a line of 76 after `lead` characters ("Subject: ").
    """
    data = text.encode()
    room = LINE - lead - _FRAME
    if not text.isascii() and len(data) <= room // 4 * 3:
        return [f"=?utf-8?b?{b2a_base64(data, newline=False).decode()}?="]
    quoted_text = "".join([_Q[byte] for byte in data])
    # ASCII stays legible in the source; of the rest the shorter one.
    if text.isascii() or len(quoted_text) * 3 <= len(data) * 4:
        return [f"=?utf-8?q?{word}?=" for word in _runs(text, lambda bit: "".join([_Q[byte] for byte in bit]), room)]
    words = _runs(text, lambda bit: bit.decode("latin-1"), room // 4 * 3)
    return [f"=?utf-8?b?{b2a_base64(word.encode('latin-1'), newline=False).decode()}?=" for word in words]


_FRAME = len("=?utf-8?q??=")


def _runs(text: str, coded: Callable[[bytes], str], room: int) -> list[str]:
    """The coded characters of a text in runs of at most `room`; no character is torn."""
    runs, run = [], ""
    for character in text:
        bit = coded(character.encode())
        if len(run) + len(bit) > room:
            runs.append(run)
            run = ""
        run += bit
    return [*runs, run]


def phrase(text: str) -> str:
    """A name to stand before <address>, with the blank that follows it; nothing for an empty name."""
    if len(text) <= _PLAIN_PHRASE and _ATOMS.fullmatch(text):
        return text + " "
    text = _SPACES.sub(" ", one_line(text)).strip()
    if not text:
        return ""
    if text.isascii() and len(text) <= _PLAIN_PHRASE and not _MISREAD.search(text):
        return text + " " if _ATOMS.fullmatch(text) else f'"{text}" '
    # A short word leaves room for the address; else the address goes to a line of its own.
    words = encoded_words(text, len("Reply-To: "))
    return words[0] + " " if len(words) == 1 and len(words[0]) <= 40 else "\r\n ".join(words) + "\r\n "


def header_text(text: str) -> str:
    """The value of an unstructured header that stands behind a short name, as it is or in encoded words."""
    text = one_line(text)
    if text.isascii() and "=?" not in text and len(text) <= _PLAIN_PHRASE:
        return text
    return "\r\n ".join(encoded_words(text))


_COMMON_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}@[A-Za-z0-9.\-]{1,255}")
# Anything else has come through core/mail/address: here only what could end the mailbox or the line is refused.
_MAILBOX = re.compile(
    r"(?:\"(?:[^\"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*\"|[^\s\x00-\x20\x7f<>()\[\],;:\\\"@]+)@[^\s\x00-\x20\x7f<>(),;:\\\"@]+"
)


def mailbox(text: str) -> str:
    """An address to stand between < and >. Raises Unmakeable("address") for what is none."""
    if _COMMON_MAILBOX.fullmatch(text) or (len(text) <= 400 and _MAILBOX.fullmatch(text) and not _LONE.search(text)):
        return text
    raise Unmakeable(
        "address", "This subscriber's address cannot stand in a header. Correct it, or remove the subscriber."
    )


def _words_on_a_line(text: str, lead: str) -> str:
    text = one_line(text)
    return lead + "\r\n ".join(encoded_words(text)) if text else ""


_RAW = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,900}[\x21-\x7e])?")


def raw(text: str) -> str:
    """A header value that we made ourselves, as it is. Raises Unmakeable("raw") rather than let a line end through."""
    if _RAW.fullmatch(text):
        return text
    raise Unmakeable("raw", "A date, identity or link of this message is missing or damaged. Try the send again.")


def _phrase(text: str) -> bytes:
    return phrase(text).encode()


def _address(text: str) -> bytes:
    return mailbox(text).encode()  # UTF-8 as it is: such an address travels by SMTPUTF8 or not at all


def _subject(text: str) -> bytes:
    return _words_on_a_line(text, "\r\n ").encode()


def _subject_start(text: str) -> bytes:
    return _words_on_a_line(text, " ").encode()


# Most names and all tokens: they look the same in every body.
_SIMPLE = re.compile(r"[A-EG-Za-z][A-Za-z0-9]{0,70}")
_SIMPLE_ADDRESS = re.compile(r"[A-Za-z0-9_.\-]+@[A-Za-z0-9.\-]+")
_SIMPLE_LINK = re.compile(r"[A-Za-z0-9/:?=_.\-]+")


def _html(text: str) -> bytes:
    if _SIMPLE.fullmatch(text):
        return text.encode()
    return quoted(as_html(text).encode())


def _attr(text: str) -> bytes:
    if _SIMPLE_LINK.fullmatch(text):
        return quoted(text.encode())
    return quoted(as_attr(text).encode())


def _link(text: str) -> bytes:
    return quoted(as_link(text).encode())


def _url(text: str) -> bytes:
    if _SIMPLE_ADDRESS.fullmatch(text):
        return quoted(text.replace("@", "%40", 1).encode())
    return quoted(as_url(text).encode())


def _text(text: str) -> bytes:
    if _SIMPLE.fullmatch(text):
        return text.encode()
    return quoted(one_line(text).encode())


def _text_link(text: str) -> bytes:
    return quoted(as_text_link(text).encode())


def _raw(text: str) -> bytes:
    return raw(text).encode()


def _mark(_: str) -> bytes:
    return b""


# Kinds in which a value without markup looks the same: name and link of a reader mostly stand in two or three of them.
ALIKE = frozenset(("html", "attr", "text"))


def once(kinds: Sequence[Kind]) -> Callable[[str], list[bytes]]:
    """An encoder for one value in several places of the body: encoded once where that is the same, as nearly always."""
    encoders = [ENCODERS[kind] for kind in kinds]

    def encode(text: str) -> list[bytes]:
        if _ODD_OR_MARKUP.search(text):
            return [encoder(text) for encoder in encoders]
        return [quoted(text.encode())] * len(encoders)

    return encode


ENCODERS: dict[str, Callable[[str], bytes]] = {
    "phrase": _phrase,
    "address": _address,
    "subject": _subject,
    "subject_start": _subject_start,
    "html": _html,
    "attr": _attr,
    "link": _link,
    "url": _url,
    "text": _text,
    "text_link": _text_link,
    "raw": _raw,
    "mark": _mark,
}

# Where no token for the preferences page was made (a test letter, a letter shown in a browser), its link leads to the
# leave page.
FALL_BACK = {"PREFERENCES_URL": "UNSUB_URL"}


# --- what a reader's values say ---

# Values that we make; all others are fields.
_OURS = frozenset({*PERSONAL, *FALL_BACK, "DATE", "MESSAGE_ID", "LEAVE_MAILTO", "TO_NAME", ""})
_IN_ADDRESSES = frozenset(("link", "text_link", "url"))


def _fit(slot: ValueSlot) -> Callable[[str], str] | None:
    """What is left of a field's value in this place, which says less of it than it holds; None for values of ours."""
    if slot.name in _OURS:
        return None
    return in_address if slot.kind in _IN_ADDRESSES else in_letter


def says_field(slot: ValueSlot) -> bool:
    """Whether a field's value is read there, and is not an address or a part of one."""
    return _fit(slot) is in_letter


def as_shown(slot: ValueSlot, value: str) -> str:
    fit = _fit(slot)
    return fit(value) if fit else value


def _key(slot: ValueSlot) -> str:
    """Where a maker has the value of a slot; conditions go by the value itself."""
    fit = _fit(slot)
    return f"{slot.name} {fit.__name__}" if fit else slot.name


# --- days of a reader, said in the language of the letter ---


def dated(field: str, letters: str, language: str) -> str:
    """The name of a slot that says a field's day by PHP's letters; the day is known when a message is made."""
    return f"{field}|{language}|{letters}"


def value_of_slot(name: str, values: Mapping[str, str]) -> str:
    """The value of a slot's name, also of one of `dated`."""
    field, bar, asked = name.partition("|")
    if not bar:
        return values.get(name, "")
    language, _, letters = asked.partition("|")
    return dates.shown(values.get(field, ""), letters, language)


# --- making ---

# Bytes that the values of one subscriber may add to an email, in all places.
LONGEST_VALUES = 256 << 10
# Parts and slots of all outcomes of an edition's conditions that are remembered, 8 to 36 bytes each. Twenty conditions
# have a million outcomes, and an organization may have a dozen languages under way.
MOST_PLACES = 40_000


class MessageMaker:
    """Makes the messages of one edition: `maker(values) -> bytes`, complete with CRLF, without the final dot.

    `values` maps field tags ("FNAME") and built-ins to text: EMAIL, DATE, MESSAGE_ID, UNSUB_URL, and ARCHIVE_URL,
    LEAVE_MAILTO where the letter uses them (`needs`). Raises Unmakeable for a value that must not be empty or odd, and
    where values add more than LONGEST_VALUES bytes.
    """

    def __init__(self, compiled: CompiledContent) -> None:
        self._parts = list(compiled.parts)
        self._choices = compiled.choices
        # Name and default of each piece; a piece that is the same for everybody is the default of no name.
        self._to_name = [
            ("", piece) if isinstance(piece, str) else (_key(piece), piece.default) for piece in compiled.to_name
        ]
        alone, together, varied = _grouped(compiled.slots)
        self._alone = [(ENCODERS[slot.kind], _key(slot), slot.default) for slot in alone]
        self._together = [(once([slot.kind for slot in same]), _key(same[0]), same[0].default) for same in together]
        self._varied = [_Varied(groups) for groups in varied]
        addressed = [piece for piece in compiled.to_name if isinstance(piece, ValueSlot)]
        shown = {_key(slot): slot for slot in (*compiled.slots, *addressed)}
        self._shown = [(slot.name, key, fit) for key, slot in shown.items() if (fit := _fit(slot))]
        different = [*alone, *chain.from_iterable([*together, *chain.from_iterable(varied)])]
        self._filled = {slot: place for place, slot in enumerate(different)}
        self._where = [len(self._parts) + self._filled[slot] for slot in compiled.slots]
        self._orders: dict[tuple[int, ...], Any] = {}
        self._laid = 0
        self._wanted: dict[str, set[str]] = {}
        self._longest = sum(map(len, self._parts)) + LONGEST_VALUES
        self._straight = self._lay(self._run(0, 2 * len(self._where) + 1))
        names = {slot.name for slot in compiled.slots if slot.name}
        self._days = [name for name in sorted(names) if "|" in name]
        self.needs = frozenset(name.partition("|")[0] for name in names) | {
            condition.name for choice in compiled.choices for condition, _, _ in choice.branches if condition
        }
        self._aliases = [(name, other) for name, other in FALL_BACK.items() if name in self.needs]

    def __call__(self, values: Mapping[str, str]) -> bytes:
        values = self._completed(values)
        order = self._order(values) if self._choices else self._straight
        return self._bounded(b"".join(order(self._parts + self._fill(values))))

    def _bounded(self, message: bytes) -> bytes:
        if len(message) <= self._longest:
            return message
        raise Unmakeable("too_large", "This subscriber’s values make the email too large. Shorten them.")

    def _completed(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """With the values that are made of others."""
        complete, get = dict(values), values.get
        for name, other in self._aliases:
            complete[name] = get(name) or get(other, "")
        for name in self._days:
            complete[name] = value_of_slot(name, values)
        for name, key, fit in self._shown:
            complete[key] = fit(complete.get(name) or "")
        if self._to_name:
            complete["TO_NAME"] = "".join([complete.get(name) or default for name, default in self._to_name])
        return complete

    def _fill(self, values: Mapping[str, str]) -> list[bytes]:
        """What stands in each different slot, in the order of `_filled`."""
        get = values.get
        filled = [encode(get(name) or default) for encode, name, default in self._alone]
        for encode, name, default in self._together:
            filled += encode(get(name) or default)
        for slots in self._varied:
            filled += slots.filled(get(slots.key))
        return filled

    def _lay(self, places: list[int]) -> Any:
        """What picks these places out of parts and filled slots. A maker that signs needs more than one bundle."""
        return getter(places)

    def _order(self, values: Mapping[str, str]) -> Any:
        answers = _Answers(values, self._wanted)
        taken = tuple([_taken(choice, answers) for choice in self._choices])
        order = self._orders.get(taken)
        if order is None:
            places = self._chosen(taken)
            self._laid += len(places)
            if self._laid > MOST_PLACES:
                self._orders.clear()
                self._laid = len(places)
            order = self._orders[taken] = self._lay(places)
        return order

    def _chosen(self, taken: tuple[int, ...]) -> list[int]:
        """Places of all parts and slots, in order, without the runs that were not taken."""
        dropped: set[int] = set()
        for choice, mine in zip(self._choices, taken, strict=True):
            for index, (_, first, last) in enumerate(choice.branches):
                if index != mine:
                    dropped.update(range(2 * first + 2, 2 * last + 1))
        return [self._place(step) for step in range(2 * len(self._where) + 1) if step not in dropped]

    def _run(self, start: int, end: int) -> list[int]:
        return [self._place(step) for step in range(start, end)]

    def _place(self, step: int) -> int:
        """Step 2i is part i, step 2i+1 is slot i."""
        return step // 2 if step % 2 == 0 else self._where[step // 2]


type _Slots = list[ValueSlot]


def _grouped(slots: Iterable[ValueSlot]) -> tuple[_Slots, list[_Slots], list[list[_Slots]]]:
    """Each different slot once: those whose value stands nowhere else, those that may share one encoding, and groups of
    either that differ in nothing but their default."""
    groups: dict[object, _Slots] = {}
    for slot in dict.fromkeys(slots):
        groups.setdefault((slot.name, slot.default) if slot.kind in ALIKE else slot, []).append(slot)
    but_for_default: dict[object, list[_Slots]] = {}
    for same in groups.values():
        but_for_default.setdefault((same[0].name, *(slot.kind for slot in same)), []).append(same)
    single = [alike[0] for alike in but_for_default.values() if len(alike) == 1]
    varied = [alike for alike in but_for_default.values() if len(alike) > 1]
    return [same[0] for same in single if len(same) == 1], [same for same in single if len(same) > 1], varied


class _Varied:
    """Slots of one value with different defaults: an editor writes 2,000 of them, and the value is encoded once."""

    def __init__(self, groups: list[_Slots]) -> None:
        kinds = [slot.kind for slot in groups[0]]
        self.key = _key(groups[0][0])
        self._encode = once(kinds) if len(kinds) > 1 else lambda text: [ENCODERS[kinds[0]](text)]
        self._defaults = [same[0].default for same in groups]

    def filled(self, value: str | None) -> list[bytes]:
        return self._encode(value) * len(self._defaults) if value else self._stand_ins

    @cached_property
    def _stand_ins(self) -> list[bytes]:
        return [*chain.from_iterable(self._encode(default) for default in self._defaults)]


def getter(places: list[int]) -> Callable[[Sequence[bytes]], Iterable[bytes]]:
    if len(places) == 1:  # itemgetter of one place gives the thing itself
        return lambda table: (table[places[0]],)
    return itemgetter(*places)


class _Answers(dict[MergeCondition, bool]):
    """Whether conditions hold for one subscriber: each is asked once, and each value split once. A text has up to 2,000
    conditions, in HTML and in plain text. `wanted`: the groups that conditions of the edition name, kept for all."""

    def __init__(self, values: Mapping[str, str], wanted: dict[str, set[str]]) -> None:
        super().__init__()
        self._values, self._wanted = values, wanted
        self._lines: dict[str, str] = {}
        self._groups: dict[str, set[str]] = {}

    def __missing__(self, condition: MergeCondition) -> bool:
        self[condition] = answer = self._holds(condition)
        return answer

    def _holds(self, condition: MergeCondition) -> bool:
        name, wanted = condition.name, condition.value
        if name not in self._lines:
            self._lines[name] = one_line(self._values.get(name) or "")
        if condition.operator not in ("any", "none"):
            return condition.holds(self._lines[name])
        if name not in self._groups:
            self._groups[name] = folded_groups(self._lines[name])
        if wanted not in self._wanted:
            self._wanted[wanted] = folded_groups(wanted)
        return self._groups[name].isdisjoint(self._wanted[wanted]) == (condition.operator == "none")


def _taken(choice: ConditionalParts, answers: _Answers) -> int:
    for index, (condition, _, _) in enumerate(choice.branches):
        if condition is None or answers[condition]:
            return index
    return -1


def make_out(compiled: CompiledContent, values: Mapping[str, str]) -> bytes:
    """One message. For many of one edition keep a MessageMaker."""
    return MessageMaker(compiled)(values)


def differences(compiled: CompiledContent) -> tuple[tuple[str, str], ...]:
    """The declared slots, (kind, name), in order: all that may differ between two messages of the edition."""
    return tuple((slot.kind, slot.name) for slot in compiled.slots if slot.kind != "mark")


def slot_values(compiled: CompiledContent, message: bytes) -> tuple[bytes, ...] | None:
    """What stands in the slots of a message; None when anything outside of them differs from the edition.

    For letters without conditions: there every message has the same parts.
    """
    if compiled.conditional:
        raise ValueError("A letter with conditions has no single set of parts. Compare its branches.")
    position, values = 0, []
    for index, part in enumerate(compiled.parts):
        last = index == len(compiled.parts) - 1
        at = len(message) - len(part) if last and index else message.find(part, position)
        if at < position or message[at : at + len(part)] != part or (index == 0 and at):
            return None
        if index:
            values.append(message[position:at])
        position = at + len(part)
    return tuple(values) if position == len(message) else None


# --- keeping ---


class _Kept(Struct, frozen=True):
    """An edition as JSON has it: it is kept for years and must never be able to run anything."""

    format: Literal[1]
    parts: tuple[str, ...]  # ASCII by construction; latin-1 keeps any byte should that ever change.
    slots: tuple[ValueSlot, ...]
    choices: tuple[tuple[Branch, ...], ...]
    to_name: tuple[str | ValueSlot, ...]
    fields: tuple[str, ...]
    links: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.slots) + 1:
            raise ValueError("there are not as many slots as gaps")


def dumps(compiled: CompiledContent) -> bytes:
    parts, choices = (
        (part.decode("latin-1") for part in compiled.parts),
        (choice.branches for choice in compiled.choices),
    )
    kept = _Kept(
        1, tuple(parts), compiled.slots, tuple(choices), compiled.to_name, tuple(compiled.fields), tuple(compiled.links)
    )
    return msgspec.json.encode(kept)


def loads(data: bytes) -> CompiledContent:
    """Raises ValueError with a sentence when the bytes are no edition of a format that this version knows."""
    try:
        kept = msgspec.json.decode(data, type=_Kept)
        parts = tuple(part.encode("latin-1") for part in kept.parts)
    except ValueError as problem:
        raise ValueError(
            "This edition is damaged or was written by another version of samizdat. Upgrade, or restore it."
        ) from problem
    return CompiledContent(
        parts, kept.slots, tuple(map(ConditionalParts, kept.choices)), kept.to_name, kept.fields, kept.links
    )
