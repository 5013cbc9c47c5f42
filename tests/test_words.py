"""How the product speaks: what people read has the standard terms of the field, one for each thing.

payloads/voice/old-phrases.txt has the phrases that stood there before; none of them comes back.
"""

import ast
import re
from collections.abc import Iterator
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


# -- the command line ----------------------------------------------------------------------------------------------

# Names that scripts know: options, keys of JSON, starters; and what the demo writes as its invented organization.
CONTRACT = re.compile(
    r"`[^`]*`|--template letter|--[a-z-]+|\S+://\S+|<?\S+@\S+|\(letter, digest, appeal, event, alert\)|Thursday Letter"
)
NOT_SAID = re.compile(
    r"\b(?:letters?|readers?|relays?|desk|house|slips?|mend(?:ed|s)?|frozen|seal(?:ed|s)?|whoever|ways? out|e-mail|"
    r"preheader|stop list|per cent|lifeboat|throw(?:n|s)? away|in flight|she|her|hers)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"\w[.:;,]? \w")


def _spoken(module: Path) -> Iterator[str]:
    """Sentences of a module: what has blanks in it and is printed, and the help of its commands."""
    tree = ast.parse(module.read_text())
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", ())]
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and not any("command" in mark or "group" in mark for mark in marks):
                silent.add(first.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield CONTRACT.sub("", node.value)


# What the demo's organization writes, and the file that it brings along.
INVENTED = {"letters.py", "export.py", "inbox.py"}
COMMANDS = [
    path
    for path in sorted((ROOT / "samizdat" / "cli").rglob("*.py"))
    if not (path.parent.name == "demo" and path.name in INVENTED)
]


@pytest.mark.parametrize("module", COMMANDS, ids=lambda path: path.name)
def test_the_command_line_speaks_in_standard_terms(module: Path) -> None:
    assert [text for text in _spoken(module) if SENTENCE.search(text) and NOT_SAID.search(text)] == []


@pytest.mark.parametrize("name", ["command-line.md", "events.md", "routes.md", "sending-providers.md"])
def test_a_page_that_is_printed_from_the_code_speaks_in_standard_terms(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    lines = [CONTRACT.sub("", line) for line in text.splitlines()]
    assert [line for line in lines if NOT_SAID.search(line)] == []
