"""What goes into a letter, what comes out, and the words and dates that are known when it is compiled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from samizdat.core import dates
from samizdat.core.content.blocks.styles import PLAIN, BlockStyles
from samizdat.core.content.merge import MergeCondition
from samizdat.core.content.message import ValueSlot
from samizdat.core.content.phrases import PhraseTable, base, known, spoken
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.theme import Theme, ThemePicture
from samizdat.core.dates import php_date
from samizdat.core.languages import direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a letter is made from. Addresses are normalized ones; `fields` maps each merge field to its default."""

    subject: str
    body: str
    from_name: str
    from_address: str
    format: Literal["markdown", "html", "blocks"] = "markdown"  # blocks: JSON of core/content/blocks
    preheader: str = ""
    reply_to: str = ""
    to_name: str = ""  # merge source, such as "*|FNAME|* *|LNAME|*"; empty: the address alone
    template: str = ""  # MJML or a whole HTML document with {{ content }}; empty: ours
    language: str = "en"
    organization: str = ""
    postal_address: str = ""  # may have several lines
    website: str = ""
    phone: str = ""
    list_name: str = ""
    list_description: str = ""  # why you get this; empty: our sentence
    appeal: bool = False  # for money, to those who agreed to appeals as well
    list_id: str = ""  # such as thursday.lists.example.org, the same for ever
    unsubscribe_mailbox: bool = False  # adds a mailto way out; the values must then have LEAVE_MAILTO
    feedback_id: str = ""
    archive_url: str = ""  # one for all readers; empty: the slot ARCHIVE_URL
    neutral_url: str = ""  # where links of one's own lead in the web copy
    signup_url: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, ThemePicture] = field(default_factory=dict)  # those of the library that blocks name
    look: Theme = field(default_factory=Theme)
    design: str = "carbon"  # theme.DESIGNS: which frame of ours, where there is no template
    own_words: Mapping[str, str] = field(
        default_factory=dict
    )  # of the house, in place of those of core/content/phrases
    dress: BlockStyles = PLAIN  # what blocks wear where the template has the letter
    answers: tuple[str, ...] = ()  # where the answers to a question lead, by number, the same for all readers


@dataclass(frozen=True, slots=True)
class TemplateEdge:
    """Where a condition on a subscriber begins, turns or ends. `choice` numbers the condition it belongs to."""

    kind: Literal["if", "turn", "end"]
    choice: int
    condition: MergeCondition | None = None
    line: int = 1


type Piece = str | ValueSlot | TemplateEdge


@dataclass(frozen=True, slots=True)
class RenderedContent:
    """A letter before it is encoded: pieces of text with slots and conditions between them, and what is wrong."""

    subject: tuple[Piece, ...]
    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    to_name: tuple[str | ValueSlot, ...]
    fields: tuple[str, ...]
    links: tuple[str, ...]
    flaws: tuple[ContentProblem, ...]


# What a template may say in the language of the letter, and the words of core/content/phrases that it stands for.
WORDS = {
    "word_unsubscribe": "frame.leave",
    "word_preferences": "frame.less",
    "word_archive": "frame.browser",
    "word_signup": "frame.subscribe",
}


def known_values(content: Content, words: PhraseTable, now: datetime, archive: bool) -> dict[str, str]:
    lines = [line.strip() for line in content.postal_address.splitlines() if line.strip()]
    return {
        **content.look.values(),
        "archive_page": "yes" if archive else "",
        "rewards": "",
        "list": content.list_name,
        "organization": content.organization,
        "description": content.list_description or _why(content, words),
        "postal_address": "\n".join(lines),
        "postal_line": ", ".join(lines),
        "phone": content.phone,
        "website": content.website,
        "signup": content.signup_url,
        "sender": content.reply_to or content.from_address,
        "language": content.language,
        "language_label": _own_name(content.language),
        "direction": direction(content.language),
        "year": f"{now.year}",
        "date": php_date(dates.usual(content.language), now, content.language),
        "subject": content.subject,
        "preheader": content.preheader,
        "content": "",
        **{name: words[word] for name, word in WORDS.items()},
    }


def ours(content: Content) -> frozenset[str]:
    """Which of the known values are words of ours, in the language of core/content/phrases."""
    return frozenset({"date", *WORDS} | (set() if content.list_description else {"description"}))


def _why(content: Content, words: PhraseTable) -> str:
    why = "frame.why"
    if content.list_name:
        why = "frame.why_appeal" if content.appeal else "frame.why_list"
    return f"{words[why].replace('%(list)s', content.list_name)} {words['frame.unread']}"


def _own_name(language: str) -> str:
    return spoken(language).name if base(language) in known() else language


_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONE = re.compile(r"[\ud800-\udfff]")


def tidy(content: Content) -> Content:
    """The content with one kind of line end, and without characters that no mail may hold.

    Line numbers stay. The subject and names keep their line breaks, so that the check can speak of them.
    """
    changes = {
        name: _LONE.sub("\ufffd", value)
        for name in content.__slots__
        if isinstance(value := getattr(content, name), str) and not value.isascii()
    }
    for name in ("body", "template"):
        text = changes.get(name, getattr(content, name))
        changes[name] = _NOT_IN_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return replace(content, **changes)  # type: ignore[arg-type]
