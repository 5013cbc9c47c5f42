"""How the product speaks: what people read has the standard terms of the field, one for each thing.

payloads/voice/old-phrases.txt has the phrases that stood there before; none of them comes back.
"""

import re
from pathlib import Path

import pytest

from scripts import messages

ROOT = Path(__file__).parent.parent
OLD = (ROOT / "tests" / "payloads" / "voice" / "old-phrases.txt").read_text().splitlines()
READ = [
    text
    for folder in messages.CATALOGUES
    for entry in messages.entries((ROOT / folder / "locale" / "ru" / "LC_MESSAGES" / "django.po").read_text())
    for text in (entry.english, entry.plural)
    if text
]
# Written by hand; the others are printed from the code.
PRINTED = {"command-line.md", "events.md", "merge-tags.md", "options.md", "routes.md", "languages.md"}
PAGES = {page.name: page.read_text() for page in (ROOT / "docs").glob("*.md") if page.name not in PRINTED}


@pytest.mark.parametrize("phrase", OLD)
def test_no_phrase_of_the_old_voice_comes_back(phrase: str) -> None:
    pattern = re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)")
    assert [text for text in READ if pattern.search(text)] == []
    assert [name for name, text in PAGES.items() if pattern.search(" ".join(text.split()))] == []


@pytest.mark.parametrize(
    ("never", "instead"),
    [
        (r"\b(?:she|hers?|herself)\b", "they, their"),
        (r"(?<!screen )(?<!news )\breaders?\b", "subscriber"),
        (r"\b(?:house|desk|workshop)\b", "Samizdat, the installation, the server"),
        (r"\bstop list\b", "suppression list"),
        (r"\bways? out\b", "sending route, unsubscribe link"),
        (r"\bfrozen\b", "recipients, locked"),
        (r"\bseal(?:s|ed)?\b", "encrypted"),
        (r"\bwhoever\b", "say who"),
        (r"\brelays?\b", "sending provider"),
        (r"\blifeboat\b", "backup"),
        (r"\be-mail", "email"),
        (r"\bpreheader\b", "preview text"),
        (r"\bnonsubscribed\b", "no consent"),
        (r"\bthrow(?:n|s)? away\b", "delete"),
        (r"\bper cent\b", "percent"),
        (r"colour|organisation|\bcentre\b|programme\b", "US spelling"),
    ],
)
def test_no_message_has_a_word_for_which_there_is_a_standard_term(never: str, instead: str) -> None:
    assert [text for text in READ if re.search(never, text, re.IGNORECASE)] == [], instead
