"""What a person wrote in a reply: their own words, what they quote, and which files came along."""

import re
from email.message import Message

from samizdat.core.bounce import addresses
from samizdat.core.bounce.mime import BYTES_READ, Part, Unreadable, decoded, leaves, plain_with_quotes, split, storable
from samizdat.core.bounce.phrases import PhraseIndex, listed
from samizdat.core.bounce.replies import says_leave
from samizdat.core.bounce.report import Attachment, ReplyContent
from samizdat.core.unsafe_text import bare

# Characters that are kept of a reply's own words, and of what it quotes.
MOST_WORDS, MOST_QUOTED = 20_000, 5_000
MOST_NAME, MOST_SUBJECT, MOST_ATTACHMENTS, MOST_REFERENCES = 100, 300, 50, 20
# Bytes of a message in which attachments are looked for.
MOST_BYTES = 10 << 20


def read(message: Part, raw: bytes, sender: str) -> ReplyContent:
    """message: of `raw`, as mime.split took it apart. sender: the address that an answer goes to."""
    parts = _parts(message, raw)
    words, quoted = folded(_text(parts))
    subject = _line(decoded(message.get("subject")), MOST_SUBJECT)
    return ReplyContent(
        _sender_name(message),
        sender,
        subject,
        words[:MOST_WORDS],
        quoted[:MOST_QUOTED],
        attachments(parts),
        next(iter(_message_ids(message.get("message-id"))), ""),
        _references(message),
        wants_to_leave(words, subject),
        may_be_answered(message, sender),
    )


def attachment(raw: bytes, place: int) -> bytes:
    """The bytes of one that `attachments` has listed; none where the message has no such part."""
    try:
        parts = leaves(split(raw[:MOST_BYTES], most=MOST_BYTES))
    except Unreadable:
        return b""
    part = parts[place] if 0 <= place < len(parts) else None
    return part.data if part is not None else b""


def _parts(message: Part, raw: bytes) -> list[Part]:
    """All of them, where a report's reader looks at the beginning alone."""
    if len(raw) > BYTES_READ:
        try:
            return leaves(split(raw[:MOST_BYTES], most=MOST_BYTES))
        except Unreadable:
            pass
    return leaves(message)


# -- words --


def _text(parts: list[Part]) -> str:
    """The first plain part, else the first of HTML, as text."""
    shown = [part for part in parts if not _is_attachment(part)]
    plain = (part.text for part in shown if part.kind in ("text/plain", "text", "text/enriched"))
    if text := next((text for text in plain if text.strip()), ""):
        return text
    return next((plain_with_quotes(part.source) for part in shown if part.kind == "text/html"), "")


# What mail programs write above a message that they quote whole.
_ABOVE = re.compile(
    r"[-_*= ]{2,20}(?:original message|original appointment|forwarded message|исходное сообщение|"
    r"пересылаемое сообщение|пересланное сообщение|оригинальное сообщение|вихідне повідомлення|"
    r"ursprüngliche nachricht|originalnachricht|message d'origine|message original|mensaje original|"
    r"messaggio originale|oryginalna wiadomość|mensagem original)[-_*= ]{0,20}",
    re.IGNORECASE,
)
_FROM = re.compile(r"\W{0,3}(?:from|от|від|von|de|da|od)\W{0,3}:\W{0,3}\s?\S", re.IGNORECASE)
_SENT = re.compile(
    r"\W{0,3}(?:sent|date|to|subject|дата|отправлено|кому|тема|надіслано|gesendet|datum|an|betreff|envoyé|à|objet|"
    r"enviado|fecha|para|asunto|inviato|data|wysłano|do|temat)\W{0,3}:",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"wrote|писал|пишет|написал|пише|schrieb|a écrit|escribió|escreveu|ha scritto|napisał|skrev|schreef",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
# How the first line of an attribution begins that goes on in the next one.
_BEGINS = re.compile(r"(?:on|am|le|el|il|em|den|op|w dniu|\w{2,12},)\s[^\d\n]{0,40}\d|\d{1,4}[-./ ]", re.IGNORECASE)


def folded(text: str) -> tuple[str, str]:
    """(their own words, what they quote). Where they answer between the lines, everything is their own."""
    lines = [line.rstrip() for line in bare(text.replace("\r", "")).split("\n")]
    at = next((place for place in range(len(lines)) if _begins_quote(lines, place)), len(lines))
    own, quoted = lines[:at], lines[at:]
    if not quoted:
        return "\n".join(own).strip(), ""
    behind = _behind(quoted)
    if behind and any(line.startswith(">") for line in behind):
        return "\n".join(lines).strip(), ""
    if behind:
        quoted = quoted[: len(quoted) - len(behind)]
    words = "\n".join(part for part in ("\n".join(own).strip(), "\n".join(behind).strip()) if part)
    return words, "\n".join(quoted).strip()


def _behind(quoted: list[str]) -> list[str]:
    """What stands below a quotation whose lines are marked; nothing of one that is quoted whole."""
    marks = [place for place, line in enumerate(quoted) if line.startswith(">")]
    if not marks or marks[0] > 4:
        return []
    place = marks[0]
    while place < len(quoted) and (quoted[place].startswith(">") or not quoted[place]):
        place += 1
    rest = quoted[place:]
    return rest if any(line.strip() for line in rest) else []


def _begins_quote(lines: list[str], place: int) -> bool:
    line = lines[place].strip()
    if not line or len(line) > 400:
        return False
    if line.startswith(">"):
        return True
    following = [later.strip() for later in lines[place + 1 : place + 6] if later.strip()]
    if _ABOVE.fullmatch(line):
        return True
    if line.startswith("____") and following and _FROM.match(following[0]):
        return True
    if _FROM.match(line) and any(_SENT.match(later) for later in following[:2]):
        return True
    return _is_attribution(line, following)


def _is_attribution(line: str, following: list[str]) -> bool:
    """As "On 26 Nov 2026, Ada <ada@reader.example> wrote:", on one line or broken into two."""
    if not line.endswith(":"):
        if not following or _BEGINS.match(line) is None or _is_attribution(following[0], []):
            return False
        line = f"{line} {following[0]}"
    if not line.endswith(":") or _DIGIT.search(line) is None:
        return False
    return "@" in line or _WROTE.search(line[-80:]) is not None


# -- a wish to leave --

# What a short message says that means nothing else. Words that mean much else count alone (replies.py).
_LEAVE = PhraseIndex(
    (0, phrase)
    for phrase in listed("""
    unsubscribe | unsubscribing | opt out | opt me out | remove me | take me off | stop sending | stop emailing |
    stop writing | stop these emails | no more emails | отпиш | отписать | отписк | удалите меня | уберите меня |
    исключите меня | не присылайте | не шлите | не пишите мне | хватит слать | прекратите | не хочу получать |
    больше не присыл | відпиш | відписат | не надсилайте | abmelden | abbestellen | austragen | keine weiteren mails |
    désabonn | desabonn | désinscri | desinscri | darme de baja | darse de baja | no deseo recibir | cancellami |
    disiscri | disiscriv | cancellare la mia iscrizione | wypisz | wypisać | descadastr | cancelar inscri |
    配信停止 | 退会 | 退订
    """)
)
# Characters: more than this is a letter about something.
MOST_TO_LEAVE = 200


def wants_to_leave(words: str, subject: str) -> bool:
    """Whether they say little else than that they want no more. What they quote says it in every email of ours."""
    lines = [line for line in words.split("\n") if line.strip()]
    if len(words.strip()) > MOST_TO_LEAVE:
        return False
    if says_leave(subject) or (lines and says_leave(lines[0])):
        return True
    return bool(_LEAVE.ranks(words.lower()) or (not lines and _LEAVE.ranks(subject.lower())))


# -- whom a program may answer --

_NOBODY = re.compile(
    r"(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|owner-|listserv|majordomo|root|daemon|abuse)|"
    r".{0,60}-(?:request|owner|bounces?|noreply)@",
    re.IGNORECASE,
)


def may_be_answered(message: Part, sender: str) -> bool:
    """RFC 3834, 2: never an automatic message, a list, or a mailbox that nobody reads."""
    if not sender or _NOBODY.match(sender):
        return False
    submitted = message.get("auto-submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return False
    if message.get("precedence").strip().lower() in ("bulk", "list", "junk"):
        return False
    if any(name.startswith(("list-", "x-auto", "x-loop", "feedback-id")) for name in message.headers):
        return False
    return message.get("return-path").strip() != "<>"


# -- headers --

_ID = re.compile(r"<([!-;=?-~]{3,300})>")


def _message_ids(header: str) -> list[str]:
    return _ID.findall(header[:8000])


def _references(message: Part) -> tuple[str, ...]:
    named = [*_message_ids(message.get("references")), *_message_ids(message.get("in-reply-to"))]
    return tuple(dict.fromkeys(reversed(named)))[:MOST_REFERENCES][::-1]


def _sender_name(message: Part) -> str:
    header = decoded(message.get("from"))
    name = _line(header.rpartition("<")[0] or "", MOST_NAME).strip("\"' ")
    return "" if "@" in name or addresses.first(name) else name


def _line(text: str, most: int) -> str:
    return " ".join(bare(text).split())[:most]


# -- files --


def attachments(parts: list[Part]) -> tuple[Attachment, ...]:
    """Of the parts of a message those that are files."""
    listed_parts = [
        Attachment(place, _file_name(part, place), part.size)
        for place, part in enumerate(parts)
        if _is_attachment(part)
    ]
    return tuple(listed_parts[:MOST_ATTACHMENTS])


def _is_attachment(part: Part) -> bool:
    disposition = part.get("content-disposition").partition(";")[0].strip().lower()
    if disposition == "attachment" or _written_name(part):
        return True
    return not part.kind.startswith("text") and not part.kind.startswith("multipart/")


def _written_name(part: Part) -> str:
    """As its headers have it (RFC 2231, RFC 2047)."""
    headers = Message()
    for name in ("content-disposition", "content-type"):
        if value := part.get(name)[:2000]:
            headers[name] = value
    try:
        written = headers.get_filename("")
    except (LookupError, ValueError, TypeError):
        return ""
    # Latin-1 is what nobody has decoded yet.
    return decoded(written) if written and max(written) <= "\xff" else storable(written)


_UNFIT = re.compile(r'[\x00-\x1f\x7f"<>:|?*]')


def _file_name(part: Part, place: int) -> str:
    """Fit for a file: no folders in it, no controls, not hidden."""
    written = re.split(r"[/\\]", _written_name(part))[-1]
    name = _UNFIT.sub("_", " ".join(bare(written).split())).strip(". ")
    if len(name) > MOST_NAME:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: MOST_NAME - 10]}{dot}{ending[:9]}" if dot else name[:MOST_NAME]
    if name:
        return name
    return f"message-{place}.eml" if part.kind.startswith("message/") else f"file-{place}"
