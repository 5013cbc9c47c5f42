"""Key shares as people get them: a page to print, or lines for a terminal."""

from collections.abc import Sequence
from datetime import date
from itertools import batched

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.vault.shares import SetDetails

LANGUAGES = ("en", "ru")
# Columns of words, read from left to right.
_COLUMNS = 3


def as_html(words: str, number: int, details: SetDetails, fingerprint: str, language: str) -> str:
    """One file that any browser shows and prints, with nothing from elsewhere. number: from 1."""
    with override(language):
        facts = {
            "language": language,
            "title": (
                _("Strict key share %(number)s of %(count)s")
                if details.organization
                else _("Key share %(number)s of %(count)s")
            )
            % {"number": number, "count": details.count},
            "strict": bool(details.organization),
            "created": _day(details.created),
            "fingerprint": fingerprint,
            "threshold": details.threshold,
            "words": words.split(),
            "qr": _qr(words),
        }
        return render_to_string("vault/share.html", facts)


def codes_as_html(codes: Sequence[str], address: str, created: date, language: str) -> str:
    """One-time codes that lock an organization by email. The page doesn't say whose: its address does."""
    with override(language):
        facts = {
            "language": language,
            "title": _("Lock by email"),
            "created": _day(created),
            "address": address,
            "codes": codes,
        }
        return render_to_string("vault/lock_codes.html", facts)


def codes_as_lines(codes: Sequence[str], address: str, created: date) -> list[str]:
    return [
        f"Codes that lock the organization by email   created {created}",
        f"To: {address}",
        "Write one code as the subject or text. Each works once, from any mailbox.",
        "",
        *(f"{number:2}  {code}" for number, code in enumerate(codes, 1)),
        "",
    ]


def _day(day: date) -> str:
    return date_format(day, "j E Y")


def _qr(words: str) -> str:
    # Only a page needs it.
    import segno

    code = segno.make(words.upper(), mode="alphanumeric", error="m", boost_error=False)
    return code.svg_inline(scale=4, border=2, omitsize=True)


def as_lines(words: str, number: int, details: SetDetails, fingerprint: str) -> list[str]:
    """For a terminal or a plain printer."""
    kind = "Strict key share" if details.organization else "Key share"
    return [
        f"{kind} {number} of {details.count}   created {details.created}   fingerprint {fingerprint}",
        f"Any {details.threshold} shares of this set restore the key. Fewer tell nothing about it.",
        "",
        *_in_columns(words.split()),
        "",
    ]


def _in_columns(words: Sequence[str]) -> list[str]:
    numbered = [f"{place:2} {word:10}" for place, word in enumerate(words, 1)]
    return ["  ".join(row).rstrip() for row in batched(numbered, _COLUMNS)]
