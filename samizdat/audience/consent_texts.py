"""Consent texts as they were kept, and what a consent record says of the words it was given to."""

from dataclasses import dataclass
from datetime import date

from samizdat.audience.models import ConsentText, List
from samizdat.core import consent
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class ConsentTextView:
    """One version, opened."""

    purpose: str
    language: str
    version: int
    text: str
    since: date


def wordings(list: List, purpose: str | None = None) -> list[ConsentTextView]:
    """Every version, by purpose and language, the oldest first."""
    keys = keyring.keys(list.organization)
    rows = ConsentText.objects.filter(list=list).order_by("purpose", "language", "version")
    if purpose is not None:
        rows = rows.filter(purpose=consent.PURPOSES.index(purpose))
    return [
        ConsentTextView(
            consent.PURPOSES[row.purpose],
            row.language,
            row.version,
            keys.open(row.text_sealed, "wording", "text", row.pk).decode(),
            row.since,
        )
        for row in rows
    ]


def words_of(list: List, text: str, purpose: str = "newsletter") -> dict[int, str]:
    """What a consent record says of the words it was given: the text and, where it is one that the house keeps, the
    newest version that says so."""
    trimmed_text = text.strip()
    known = [wording for wording in wordings(list, purpose) if wording.text == trimmed_text]
    if not known:
        return {consent.WORDING: text}
    newest = max(known, key=lambda wording: (wording.since, wording.version))
    return {consent.WORDING: text, consent.VERSION: str(newest.version), consent.LANGUAGE: newest.language}
