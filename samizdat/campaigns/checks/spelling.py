"""Spelling by hunspell, where the machine has it: English and Russian in one letter, since letters mix them.

    apt-get install hunspell hunspell-en-us hunspell-ru

The program reads words on its standard input and knows neither who wrote them nor where; nothing leaves the machine.
What it said of a word is remembered in memory, so that a letter that is being written costs only its new words; for
each organization by itself, or a word that is known already would say that it stands in somebody else's draft.
"""

import os
import re
import shutil
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from samizdat import processes
from samizdat.core.content.checks import Readability
from samizdat.core.content.problems import ContentProblem

# Language -> names of its dictionaries and Debian's package with one. A word is right in any that is there; what is
# near comes from the first.
DICTIONARIES: dict[str, tuple[tuple[str, ...], str]] = {
    "en": (("en_US", "en_GB", "en_AU"), "hunspell-en-us"),
    "ru": (("ru_RU",), "hunspell-ru"),
}
FOLDERS = ("/usr/share/hunspell", "/usr/share/myspell/dicts", "/usr/share/myspell", "/usr/local/share/hunspell")
PATIENCE = 5.0  # Seconds.
# Wrong words of one look for which something near is looked for.
NEAR_OF = 20
# Where more of the words of one script are unknown than that, the letter is in another language, not badly spelled.
FOREIGN, FEW = 0.4, 8
# Words of one look, words that are remembered (10 MB), and findings of one letter.
MOST, REMEMBERED, FOUND = 5_000, 100_000, 50
SUGGESTED = 3

# (Number of an organization, word that it asked for) -> None when right, else what is near.
_known: OrderedDict[tuple[int, str], tuple[str, ...] | None] = OrderedDict()
_lock = threading.Lock()

# Addresses, hosts, paths, mail addresses, and what stands in brackets of the text part as a link.
# Each begins where a run of signs begins and is bounded: a pasted line of 100,000 signs must not be gone through anew
# from each of them.
_NOT_WORDS = re.compile(
    r"(?<!\S)[<(]?(?:https?://|mailto:|tel:|www\.)\S+|(?<!\S)\S{1,200}@\S+|(?<!\S)\S{0,80}?\d\S*"
    r"|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?![\w-])|(?<!\S)[@#/][\w/.-]+"
)
_WORD = re.compile(r"[^\W\d_]+(?:[-’'][^\W\d_]+)*")
_EN, _RU = re.compile(r"[A-Za-zÀ-ž’'-]+"), re.compile(r"[А-Яа-яЁё-]+")
_SCRIPTS = {"en": _EN, "ru": _RU}
_PART = re.compile("[-']")
# How British spelling differs, at the end of a word: neighbourhood, organisation, analysed, theatres, travelled,
# catalogue, defence, programmes.
_BRITISH = [
    (re.compile(rf"{british}(?={ends}$)", re.IGNORECASE), american)
    for british, american, ends in (
        ("our", "or", "(?:s|ed|ing|able|ably|ful|less|ite|ites|hood|hoods|ly|er|ers|ist|ists)?"),
        ("is", "iz", "(?:e|es|ed|ing|er|ers|able|ations?)"),
        ("ys", "yz", "(?:e|es|ed|ing|er|ers)"),
        ("tre", "ter", "s?"),
        ("ll", "l", "(?:ed|ing|er|ers|ings)"),
        ("ogue", "og", "s?"),
        ("ence", "ense", "s?"),
        ("mme", "m", "s?"),
    )
]


def tool() -> tuple[str, dict[str, str]]:
    """(program, language -> its dictionaries, with commas between); the program is "" where it is missing. Looked for
    each time: somebody may install it.
    """
    program = shutil.which("hunspell") or ""
    names = {language: name for language, (options, _) in DICTIONARIES.items() if (name := _there(options))}
    return program if names else "", names


def _there(options: tuple[str, ...]) -> str:
    return ",".join(name for name in options if any(Path(folder, f"{name}.aff").exists() for folder in _folders()))


def _folders() -> list[Path]:
    return [Path(folder) for folder in (*os.environ.get("DICPATH", "").split(":"), *FOLDERS) if folder]


def missing() -> str:
    """What to install, as one command; "" when all is there."""
    packages = [package for options, package in DICTIONARIES.values() if not _there(options)]
    if not shutil.which("hunspell"):
        packages.insert(0, "hunspell")
    return f"apt-get install {' '.join(packages)}" if packages else ""


@lru_cache(maxsize=8)  # A look at the checks asks for the same texts three times.
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text part that a dictionary may know: no addresses, no numbers, no shouting, each once."""
    words: dict[str, None] = {}
    for match in _WORD.finditer(_NOT_WORDS.sub(" ", text)):
        word = match[0].replace("’", "'").strip("-'")
        if 3 <= len(word) <= 40 and not word.isupper() and (_EN.fullmatch(word) or _RU.fullmatch(word)):
            words[word] = None
    return tuple(words)[:MOST]


def unchecked(whose: int, text: str) -> dict[str, list[str]]:
    """Dictionary -> words of its script that this organization has not asked it for; empty without the program."""
    program, names = tool()
    with _lock:
        fresh = [word for word in words_of(text) if (whose, word) not in _known] if program else []
    mine = {name: list(filter(_SCRIPTS[language].fullmatch, fresh)) for language, name in names.items()}
    return {name: words for name, words in mine.items() if words}


def check(whose: int, text: str) -> None:
    """Asks for the words that nobody of this organization asked for before. Without the program nothing is found."""
    for name, words in unchecked(whose, text).items():
        # What it gave no answer for counts as right: else a page would ask for it again and again.
        suggestions = dict.fromkeys(words) | _ask(tool()[0], name, words)
        with _lock:
            _known.update(((whose, word), near) for word, near in suggestions.items())
            while len(_known) > REMEMBERED:
                _known.popitem(last=False)


def _ask(program: str, name: str, words: list[str]) -> dict[str, tuple[str, ...] | None]:
    """Which words are wrong, in one go (1,500 in 0.05 s); then what is near some of those, each of which may take half
    a second: of a letter in another language nobody asks it. {} where the program gave no answer.
    """
    output = _run(program, name, "-l", "\n".join(words))
    if output is None:
        return {}
    unknown = set(output.split("\n"))
    wrong = [word for word in words if not unknown.isdisjoint({word, *_PART.split(word)})]
    wrong = _not_british(program, name, wrong) if name.startswith("en") else wrong
    suggestions: dict[str, tuple[str, ...] | None] = dict.fromkeys(words) | dict.fromkeys(wrong, ())
    if len(wrong) > FEW and len(wrong) > FOREIGN * len(words):
        return suggestions
    return suggestions | _near_by(program, name.partition(",")[0], wrong[:NEAR_OF])


def _american(word: str) -> str:
    """As the word is spelled in the United States, where it has a British ending; the same word elsewhere."""
    return next((shown for end, other in _BRITISH if (shown := end.sub(other, word)) != word), word)


def _not_british(program: str, name: str, wrong: list[str]) -> list[str]:
    """Those that are wrong in Britain too: most servers have the American dictionary alone."""
    other = {word: shown for word in wrong if (shown := _american(word)) != word}
    unknown = _run(program, name, "-l", "\n".join(other.values())) if other else ""
    if unknown is None:
        return wrong
    return [word for word in wrong if word not in other or other[word] in unknown.split("\n")]


def _near_by(program: str, name: str, words: list[str]) -> dict[str, tuple[str, ...]]:
    # One dictionary at a time: of several it takes what is near from the one that knew the word before, so that an
    # English slip behind a Russian word would have nothing near it.
    # "^" keeps a line from being taken for a command; one word a line, so that answers can be told apart.
    output = _run(program, name, "-a", "".join(f"^{word}\n" for word in words)) if words else None
    blocks = output.split("\n", 1)[-1].split("\n\n") if output else []
    return {word: _read(block) for word, block in zip(words, blocks, strict=False)}


def _run(program: str, name: str, way: str, typed: str) -> str | None:
    """What it printed; None where it failed, or took too long."""
    own = {"LC_ALL": "C.UTF-8", "DICPATH": os.environ.get("DICPATH", "")}
    environment = processes.bare_environment() | own
    # Dictionaries are files that somebody made and others packed; the program parses them, and what strangers wrote.
    command = [*processes.confined(program, _folders()), "-d", name, "-i", "utf-8", way]
    try:
        done = subprocess.run(
            command, input=typed.encode(), capture_output=True, timeout=PATIENCE, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def _read(block: str) -> tuple[str, ...]:
    """What is near one word; of a compound what is near its wrong parts."""
    near: list[str] = []
    for line in block.splitlines():
        if line.startswith("&"):
            # Two words in place of one ("program me" of "programme") are hardly ever meant.
            near += [word for word in line.partition(": ")[2].split(", ") if " " not in word]
    return tuple(near[:SUGGESTED])


def flaws(whose: int, reading: Readability, right: frozenset[str]) -> Iterator[ContentProblem]:
    """Words that are wrong as far as this organization asked for them; `right` are its own, in small letters."""
    yield from islice(_flaws(whose, reading, right), FOUND)


def _flaws(whose: int, reading: Readability, right: frozenset[str]) -> Iterator[ContentProblem]:
    foreign = _foreign(whose, words_of(reading.where.words))
    for place, text in (("subject", reading.subject), ("preheader", reading.preheader), ("", reading.text)):
        for word in words_of(text):
            near = _near(whose, word)
            if near is None or word.casefold() in right or any(script.fullmatch(word) for script in foreign):
                continue
            code = "spelling" if near else "spelling_alone"
            values = {"word": word, "near": ", ".join(near)} if near else {"word": word}
            at, line = (place, 1) if place else reading.where.word(word)
            if at != "letter":  # The frame's own words are ours.
                yield ContentProblem(line, code, values, None, "care", at)


def _near(whose: int, word: str) -> tuple[str, ...] | None:
    with _lock:
        return _known.get((whose, word))


def _foreign(whose: int, words: Iterable[str]) -> list[re.Pattern[str]]:
    """Scripts in which the letter speaks a language that no dictionary here has."""
    scripts = []
    for script in _SCRIPTS.values():
        mine = [word for word in words if script.fullmatch(word)]
        wrong = sum(_near(whose, word) is not None for word in mine)
        if wrong > FEW and wrong > FOREIGN * len(mine):
            scripts.append(script)
    return scripts


def texts(reading: Readability) -> str:
    return "\n".join((reading.subject, reading.preheader, reading.text))


def forget() -> None:
    """For tests: nothing was asked yet."""
    with _lock:
        _known.clear()
