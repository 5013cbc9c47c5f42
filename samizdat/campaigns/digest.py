"""What a digest says: of each letter its subject, its first lines, and where it stands on the web."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from samizdat import limited_process, phrases_override
from samizdat.audience import queries as audience
from samizdat.audience.models import List
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.models import Edition
from samizdat.campaigns.released import web_versions
from samizdat.core.content.render import archive_copy
from samizdat.core.dates import php_date, usual
from samizdat.publicdb import safe_html

# What stands as the reason of a digest's draft that a person has to release; one without it the clock releases.
STUCK = "digest"

# Characters of a letter; whoever wants more reads on.
FIRST_LINES = 280
# A frame without the masthead and the foot, which are the same in every letter.
_BARE = "<!doctype html><html><head><title></title></head><body>{{ content }}</body></html>"

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@^=$%])")


def digest_draft(
    list_: List,
    newest: tuple[Edition, EditionDetails],
    others: Iterable[tuple[Edition, EditionDetails]],
    now: datetime,
) -> Draft:
    """A letter of the newest one's sender and language. others: the newer first; none is held once it is quoted.
    Errors: limited_process.TooMuch."""
    edition, details = newest
    language = details.language
    words = phrases_override.words(language)
    there = now.astimezone(ZoneInfo(list_.organization.timezone))
    day = php_date(usual(language), there, language)
    subject = words["digest.subject"] % {"list": audience.name_of(list_), "day": day}
    parts = [_part(edition, details, now, words["digest.more"])]
    parts += [_part(*letter, now, words["digest.more"]) for letter in others]
    return Draft(
        subject=_unmerged(subject),
        preheader="",
        from_name=details.from_name,
        from_email=details.from_email,
        reply_to=details.reply_to,
        body="\n\n".join([_plain(words["digest.why"]), *reversed(parts)]) + "\n",
        format="markdown",
    )


def _part(edition: Edition, details: EditionDetails, now: datetime, more: str) -> str:
    """One letter, as somebody without a name sees it. more: what the link to the whole of it says."""
    content = web_versions(edition, details)[0].content
    there = now.astimezone(ZoneInfo(edition.organization.timezone))
    bare = replace(content, template=_BARE, preheader="")
    subject, page = limited_process.work(edition.organization_id, archive_copy, bare, now=there)
    lines = first_lines(page)
    read_on = f"[{_plain(more)}]({content.archive_url})"
    return f"## {_plain(subject)}\n\n" + (f"{_plain(lines)}\n\n" if lines else "") + read_on


def first_lines(html: str, most: int = FIRST_LINES) -> str:
    """The beginning of a letter's text, cut where a word ends; headings are passed over."""
    blocks = [block for block in safe_html.reduce(html).split(safe_html.BREAK) if not block.startswith(("<h2", "<h3"))]
    text = " ".join(filter(None, (_text(block) for block in blocks)))
    if len(text) <= most:
        return text
    cut = text.rfind(" ", most // 2, most)
    return text[: cut if cut > 0 else most].rstrip(" ,;:–—-") + " …"


class _Words(HTMLParser):
    """The text of a block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("br", "li"):
            self.words.append(" ")


def _text(block: str) -> str:
    reader = _Words()
    reader.feed(block)
    reader.close()
    return " ".join("".join(reader.words).split())


def _plain(text: str) -> str:
    """Words that Markdown and the merge language take for nothing but words."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _unmerged(text: str) -> str:
    """A subject cannot escape: what would be a merge tag in it is taken apart."""
    return text.replace("{{", "{ {").replace("*|", "* |")
