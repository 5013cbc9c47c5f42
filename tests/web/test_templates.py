"""What may stand in a template: the policy forbids inline style and script, and no sentence is in one language only."""

import re
from pathlib import Path

import pytest
from django.template import Engine, engines

SAMIZDAT = Path(__file__).parents[2] / "samizdat"
WEB = SAMIZDAT / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
ALL = sorted(path for app in ("web", "public", "privacy") for path in (SAMIZDAT / app / "templates").rglob("*.html"))
# Things that are the same in every language.
SAME = {"samizdat", "Samizdat", "CSV", "HTML", "Markdown", "EMAIL", "Ctrl S", "Ctrl Enter", "Ctrl", "FNAME", "SHA"}


# A sentence for translators cannot be broken: it stands on a line of its own, however long it is.
SENTENCE = re.compile(r"{%\s*translate\b.*?%}|{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}", re.DOTALL)
WIDEST = 160
# Shown with their white space as it stands, so there is no place for a line break.
UNBROKEN = {"changes.html", "embedded.html"}


def _name(path: Path) -> str:
    return str(path.relative_to(next(folder for folder in path.parents if folder.name == "templates")))


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_the_lines_of_a_template_are_short_but_for_its_sentences(path: Path) -> None:
    """Break a line where white space says nothing: around a block, a row, a button in a row, between attributes."""
    lines = SENTENCE.sub("", path.read_text()).splitlines()
    long = [number for number, line in enumerate(lines, 1) if len(line) > WIDEST]
    assert not long or path.name in UNBROKEN


def test_readers_do_not_load_the_indentation_of_a_template(tmp_path: Path) -> None:
    """The lines stay, so that an error names the right one."""
    (tmp_path / "page.html").write_text("<ul>\n  <li>\n\n    {{ word }}\n  </li>\n</ul>\n")
    engine = Engine(dirs=[tmp_path], loaders=engines["django"].engine.loaders)
    assert engine.get_template("page.html").source == "<ul>\n<li>\n\n{{ word }}\n</li>\n</ul>\n"


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_nothing_that_is_shown_or_translated_as_it_stands_loses_an_indentation(path: Path) -> None:
    """In there the loader would take away what somebody meant (samizdat/template_loader.py)."""
    text = path.read_text()
    shown = re.findall(r"<(textarea|pre)\b(?:{%.*?%}|{{.*?}}|[^>])*>(.*?)</\1>", text, re.DOTALL)
    kept = re.findall(r"{%\s*(blocktranslate|verbatim)\b(.*?){%\s*end\1\s*%}", text, re.DOTALL)
    assert not any(re.search(r"\n[ \t]", inside) for _, inside in (*shown, *kept))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_has_no_inline_style_script_or_handler(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"<style\b", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert "javascript:" not in text
    assert not re.search(r"hx-on|hx-vals=.js:|hx-vars|hx-eval", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_asks_nobody_else_for_anything(path: Path) -> None:
    assert not re.search(r"(src|href|action|srcset|data-[a-z]+)=[\"'](https?:)?//", path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_word_on_a_page_can_be_translated(path: Path) -> None:
    text = re.sub(r"{%\s*verbatim\s*%}.*?{%\s*endverbatim\s*%}", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"{%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", "", text, flags=re.DOTALL)
    text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", text, flags=re.DOTALL)
    text = re.sub(r"<(code|kbd|title)\b.*?</\1>|<[^>]*>|&\w+;", " ", text, flags=re.DOTALL)
    left = set(re.findall(r"[A-Za-z][A-Za-z ]*[A-Za-z]", text)) - SAME
    assert not left, f"these words are in one language only: {left}"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_form_that_changes_something_carries_the_mark_against_forgery(path: Path) -> None:
    if path.name == "embedded.html":
        return  # Shown as text: it is for pages of others, and leads to the public process.
    if path.name == "shared.html":
        return  # Its address is the secret; a mark would need a cookie (web/campaigns/views/share_links.py).
    for form in re.findall(r"<form\b.*?</form>", path.read_text(), flags=re.DOTALL):
        if 'method="post"' in form:
            assert "{% csrf_token %}" in form
        else:
            assert 'method="get"' in form or "dialog" in form


def test_the_scripts_of_others_are_those_that_were_recorded() -> None:
    import hashlib

    folder = WEB / "static" / "vendor"
    recorded = dict(
        re.findall(r"^\| (\S+) \|.*\| `([0-9a-f]{128})` \|$", (folder / "README.md").read_text(), re.MULTILINE)
    )
    found = {path.name for path in folder.iterdir()} - {"README.md"}
    assert found == set(recorded)
    for name, digest in recorded.items():
        assert hashlib.sha512((folder / name).read_bytes()).hexdigest() == digest


def test_only_five_small_scripts_are_our_own() -> None:
    """Copy buttons, shortcuts, the caret on the line of a flaw, which no link can set, menus that close, and a question
    before a form with typed text is left. Without them all works."""
    ours = {path.name: path.stat().st_size for path in (WEB / "static" / "js").glob("*.js")}
    drawing = ours.pop("cut.js")  # The part of a picture by mouse or finger; shapes and numbers do the same.
    assert drawing < 5_000
    assert set(ours) == {"copy.js", "keys.js", "leaving.js", "line.js", "menus.js"}
    assert max(ours.values()) < 2_000


def test_the_block_editor_is_small_modules_and_nothing_that_the_policy_forbids() -> None:
    for path in (WEB / "static" / "js" / "editor").iterdir():
        source = path.read_text()
        assert len(source) < 20_000, path.name
        for forbidden in (".innerHTML =", "insertAdjacentHTML", "eval(", 'setAttribute("style"', "localStorage"):
            assert forbidden not in source, (path.name, forbidden)
