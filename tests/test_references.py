"""What the handbook names is there: pages, anchors, commands with options, files of the code, labels of the desk."""

import io
import re
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from samizdat.cli.__main__ import samizdat
from samizdat.options import OPTIONS
from samizdat.worker.processes import metrics

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.name for page in PAGES]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The first line of a key file, an epoch record or a manifest is no command.
CALL = r"(?:\./run|samizdat) (?!(?:(?:wrapped )?instance key|strict key|epoch|backup) \d|strict key)"
CALLED = re.compile(rf"(?<!-u)(?<!home-dir)(?:^|[\s(/]){CALL}(?=[a-z-])([^\n|)]*)")
# They are the script's own, beside the commands.
OF_RUN = {"test", "bench"}
CONTEXT = click.Context(samizdat)
SHARED = {"--json", "--organization", "--yes", "--debug", "--help"}


@pytest.fixture(params=PAGES, ids=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def code(page: Path) -> Iterator[str]:
    """Every piece of inline code, on one line."""
    for found in re.finditer(r"`([^`]+)`", prose(page)):
        yield " ".join(found[1].split())


# -- links ---------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> list[str]:
    """As GitHub and GitLab make them of headings."""
    headings = re.findall(r"^#+ +(.*?) *$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}"


def test_no_heading_stands_twice_on_a_page(page: Path) -> None:
    found = anchors(page)
    assert len(found) == len(set(found)), "A link to the second one leads to the first."


# -- commands ------------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[str]:
    """What is called in blocks of code, and every command that is named in a sentence."""
    for block in FENCE.findall(page.read_text()):
        joined = re.sub(r"\\\n\s*", " ", block)
        for line in joined.splitlines():
            for found in CALLED.finditer(line):
                # What stands behind so many blanks is a remark.
                yield re.split(r" {3,}|  #| #", found[1])[0]
    groups = set(samizdat.list_commands(CONTEXT))
    for piece in code(page):
        words = re.sub(f"^{CALL}", "", piece)
        if words != piece or (" " in words and words.split()[0] in groups):
            yield words


# The name of a system user, and a word in the derivation of a key.
NO_COMMANDS = {"samizdat", "planted"}
# Headings of files, and purposes of keys.
NO_CALLS = {"backup 1", "tail 1", "backup pieces", "backup manifests", "backup identity", "backup places"} | {
    f"{words} 1" for words in ("key service", "key service state")
}


def wrong_in(call: str) -> str:
    """What of a call is no command or no option; "" when all of it is."""
    words = call.split()
    if call in NO_CALLS:
        return ""
    if not words or words[0] in OF_RUN or not re.match(r"[a-z]", words[0]) or words[0] in NO_COMMANDS:
        return ""
    command: click.Command = samizdat
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        found = command.get_command(CONTEXT, words[0])
        if found is None:
            return f"{words[0]} in: {call}"
        command, words = found, words[1:]
    known = SHARED | {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [flag for word in words for flag in re.findall(r"^\[?(--[a-z-]+)", word) if flag not in known]
    return f"{unknown[0]} in: {call}" if unknown else ""


def test_every_command_of_the_handbook_is_one_with_these_options(page: Path) -> None:
    assert [wrong for call in commands(page) if (wrong := wrong_in(call))] == []


def test_every_option_that_a_page_names_is_one_of_some_command(page: Path) -> None:
    known = SHARED | {flag for command in _all(samizdat) for one in command.params for flag in one.opts}
    known |= {flag for command in _all(samizdat) for one in command.params for flag in one.secondary_opts}
    sources = [*(ROOT / "bench").glob("*.py"), *(ROOT / "scripts").glob("*.py")]
    known |= {flag for path in sources for flag in re.findall(r'"(--[a-z-]+)"', path.read_text())}
    known |= {"--no-install-recommends", "--now"}  # apt-get's and systemctl's
    named = {flag for piece in code(page) for flag in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", piece)}
    assert named <= known


def _all(group: click.Group) -> Iterator[click.Command]:
    yield group
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _all(command)
        else:
            yield command


def test_every_command_that_a_sentence_of_ours_names_is_one() -> None:
    wrong = []
    for path in (ROOT / "samizdat").rglob("*.py"):
        # In quotation marks of Python a call ends at the mark, a backtick, a full stop or a hole.
        for found in re.finditer(r"(?:`|: |with |again: )samizdat ([a-z][a-z -]*[a-z])", path.read_text()):
            if missing := wrong_in(_command_in(found[1])):
                wrong.append(f"{path.name}: {missing}")
    assert wrong == []


def _command_in(text: str) -> str:
    """The words of a call without those of the sentence behind it."""
    words: list[str] = []
    command: click.Group = samizdat
    for word in text.split():
        words.append(word)
        found = command.get_command(CONTEXT, word)
        if not isinstance(found, click.Group):
            return " ".join(words)
        command = found
    return " ".join(words)


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("campaign send ID --wait", False), ("campaign release ID", True), ("campaign send ID --later", True),
        ("worker --senders 2", False), ("nothing", True), ("bench send --sink fast", False),
    ],
)  # fmt: skip
def test_a_command_that_is_none_is_found(call: str, wrong: bool) -> None:
    assert bool(wrong_in(call)) == wrong


def test_every_benchmark_that_is_named_is_one(page: Path) -> None:
    there = {path.stem.rstrip("_") for path in (ROOT / "bench").glob("*.py")} | {"NAME"}
    assert set(re.findall(r"\bbench ([a-z]+)\b", " ".join([*code(page), *FENCE.findall(page.read_text())]))) <= there


# -- the code ------------------------------------------------------------------------------------------------------


def test_every_file_of_the_code_that_is_named_is_there(page: Path) -> None:
    missing = []
    for piece in code(page):
        # Of the export format, of a Mailman, of a letter: files that are no part of the clone.
        if page.name in {"export-format.md", "import.md", "small-server.md"} or "…" in piece:
            continue
        if re.fullmatch(r"(?:[a-z_]+/)+[a-z_]+(?:\.py|\.[A-Za-z_]+)?/?", piece) and not _is_there(piece):
            missing.append(piece)
        if re.fullmatch(r"[a-z_]+\.py", piece) and not list((ROOT / "samizdat").rglob(piece)) + list(
            (ROOT / "tests").rglob(piece)
        ):
            missing.append(piece)
    assert missing == []


SOURCES = ("samizdat", "samizdat_client", "tests", "scripts", "bench")
# Mailman's, and what somebody may have called a file beside their exports.
OTHERS = {"bin/export.py", "csv.py"}


def test_every_module_that_a_comment_names_is_there() -> None:
    """By its file, alone or with the folders above it."""
    modules = {path.relative_to(ROOT).as_posix() for folder in SOURCES for path in (ROOT / folder).rglob("*.py")}
    endings = {name.split("/", n)[-1] for name in modules for n in range(name.count("/") + 1)}
    missing = []
    for name in modules:
        for kind, text, (line, _column), _end, _row in tokenize.generate_tokens(_lines(ROOT / name)):
            if kind == tokenize.COMMENT or (kind == tokenize.STRING and text.startswith('"""')):
                named = re.findall(r"(?<![\w./-])((?:[a-z_]+/)*[a-z_]+\.py)\b", text)
                missing += [f"{name}:{line} {other}" for other in named if other not in endings | OTHERS]
    assert missing == []


def _lines(path: Path) -> Callable[[], str]:
    return io.StringIO(path.read_text()).readline


# Addresses of the desk, a type of mail, and a folder of the data: they look like paths.
NO_FILES = {"media/add", "multipart/related", "journals/kept"}
FOLDERS = ("samizdat", "samizdat/audience", "samizdat/delivery", "")


def _is_there(name: str) -> bool:
    name = name.rstrip("/")
    if (ROOT / name).exists():
        return True
    stem, _, symbol = name.rpartition(".") if "." in name and not name.endswith(".py") else (name, "", "")
    for folder in FOLDERS:
        for path in (ROOT / folder / name, ROOT / folder / f"{stem}.py", ROOT / folder / stem):
            if path.exists() and (not symbol or symbol in _text(path)):
                return True
    return name in NO_FILES or any(symbol and symbol in _text(ROOT / folder / f"{stem}") for folder in FOLDERS)


def _text(path: Path) -> str:
    paths = path.rglob("*.py") if path.is_dir() else [path] if path.exists() else []
    return "\n".join(one.read_text() for one in paths)


def test_every_environment_variable_is_an_option(page: Path) -> None:
    assert set(re.findall(r"\bSAMIZDAT_[A-Z_]+\b", page.read_text())) <= {option.name for option in OPTIONS}


def test_every_number_for_prometheus_is_given(page: Path) -> None:
    named = {piece.partition("{")[0] for piece in code(page) if piece.startswith("samizdat_")}
    assert {name.removeprefix("samizdat_").split()[0] for name in named} <= metrics.HELP.keys()


# -- the desk ------------------------------------------------------------------------------------------------------

CATALOGUES = ("samizdat/locale/ru/LC_MESSAGES/django.po", "samizdat/public/locale/ru/LC_MESSAGES/django.po")
# In italics with a capital, and no labels: heads of tables, first words of sentences, examples.
SAID = {
    "Asked", "Friday, 26 November", "I agree", "Ledger B", "Other work", "TODO", "Waits for locks", "What to do",
    "What to do then", "When it does get tight", "When they do not", "Picture (header)", "Text (footer): …",
}  # fmt: skip


HOLE = re.compile(r"%\(\w+\)s|\{\w*\}|%%")


def labels() -> re.Pattern[str]:
    text = "\n".join((ROOT / path).read_text() for path in CATALOGUES)
    found = set(re.findall(r'^msgid(?:_plural)? "(.*)"$', text, re.MULTILINE))
    spoken = tomllib.loads((ROOT / "samizdat/core/content/phrases/en.toml").read_text())
    found |= {
        word for table in spoken.values() if isinstance(table, dict) for word in table.values() if type(word) is str
    }
    # A message of placeholders alone, or with no more than "of" between them, would be any label.
    found = {word for word in found if re.search(r"[^\W\d_]{4}", HOLE.sub("", word)) or not HOLE.search(word)}
    # A label may end with a value ("Left by this letter: %(n)s"), which docs leave out or show an example of.
    parts = [re.escape(word) for word in found | {"Markdown", "HTML"}]
    return re.compile(
        "|".join(re.sub(r"%\\\(\w+\\\)s", ".+", re.sub(r":\\ %\\\(\w+\\\)s$", "(?::.+)?", one)) for one in parts)
    )


def test_a_label_that_is_on_no_page_is_noticed() -> None:
    assert labels().fullmatch("Default sender")
    for invented in ("Letters and slips", "Ways out: the turn", "The books of the house"):
        assert not labels().fullmatch(invented), invented


def test_every_label_of_the_desk_that_is_named_is_on_a_page(page: Path) -> None:
    known, missing = labels(), []
    for found in re.finditer(r"(?<![*\w|])\*(?![*\s|])([^*|`]+?)\*(?![*\w])", re.sub(r"`[^`]*`", "", prose(page))):
        whole = " ".join(found[1].split())
        for label in whole.split(" → "):
            if label[:1].isupper() and not known.fullmatch(label) and label not in SAID:
                missing.append(whole)
    assert missing == []


def test_every_way_through_the_menu_is_one(page: Path) -> None:
    shell = (ROOT / "samizdat/web/templates/web/shell.html").read_text()
    groups = {}
    for part in shell.split("<summary>")[1:]:
        heading, rest = part.split("</summary>", 1)
        names = re.findall(r'<a href="[^>]*>.*?translate "([^"]+)"', rest.split("</details>", 1)[0], re.DOTALL)
        groups[re.findall(r'translate "([^"]+)"', heading)[0]] = names
    assert groups["Audience"][:2] == ["Subscribers", "Lists and forms"]
    for way in re.findall(r"\*([^*]+ →\s[^*]+)\*", prose(page)):
        first, second = " ".join(way.split()).split(" → ")[:2]
        assert first not in groups or second in groups[first], way
