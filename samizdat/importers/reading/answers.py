"""What a person says about columns on a command line, put into a plan; and what they could say, as options.

`--map 'Column=status'` says what a column becomes, `--means 'word=unsubscribed'` what a word means wherever it stands,
`--means 'Column: word=unsubscribed'` what it means there. A column is explained once it is mapped, or a word under it.
"""

import shlex
from collections.abc import Iterator, Sequence

from samizdat.core.imports import (
    EMPTY,
    LEFT_OUT,
    MEANINGS,
    OTHERS,
    TARGETS,
    UNSAID,
    BadPlan,
    DetectedFile,
    ImportColumn,
    ImportPlan,
    holds_several,
    is_worded,
)
from samizdat.importers.reading import labels, questions
from samizdat.importers.reading.sentences import word_of

# How the two words without letters, and the meaning that is none, are written on a command line.
WRITTEN = {EMPTY: "(empty)", OTHERS: "(other)"}
NOTHING = "nothing"
SHOWN = {"out": "ignore", "left_time": "left_time"}


def apply(plan: ImportPlan, maps: Sequence[str], means: Sequence[str]) -> None:
    """Changes the plan by `--map` and `--means`. Raises BadPlan with a sentence for what fits no column."""
    for option in maps:
        _map(plan, option)
    for option in means:
        _means(plan, option)
    plan.ask_again()


def _map(plan: ImportPlan, option: str) -> None:
    label, sign, target = option.rpartition("=")
    if not sign:
        raise BadPlan(f"--map {option!r} names no target. Write it as --map 'Column=status'.")
    columns = _columns(plan, label)
    if not columns:
        known = ", ".join(dict.fromkeys(column.label for file in plan.files for column in file.columns))
        raise BadPlan(f"No column is called “{label}”. There are: {known}.")
    for column in columns:
        becomes = _target(column, target.strip())
        if becomes != column.becomes:
            column.becomes, column.why = becomes, ""
            if not is_worded(becomes):
                column.words = {}
        elif becomes == "out":
            column.why = column.why or ""
        column.asks = ""
        questions.again(column)


def _target(column: ImportColumn, wish: str) -> str:
    if wish in {"ignore", "out", "Don’t import"}:
        return "out"
    if wish == "email":
        return "address"
    kind, _, rest = wish.partition(":")
    if kind == "field" and not rest:
        return f"field:{labels.Tagger().tag(column.label, 0)}"
    if wish in TARGETS or (kind in {"field", "group"} and rest):
        return wish
    known = ", ".join(sorted((TARGETS - {"out"}) | {"ignore", "field:TAG"}))
    raise BadPlan(f"“{wish}” is nothing that a column can become. Choose one of {known}.")


def _means(plan: ImportPlan, option: str) -> None:
    term, sign, wish = option.rpartition("=")
    meaning = {NOTHING: "", "ignore": ""}.get(wish.strip(), wish.strip())
    if not sign or meaning not in {*MEANINGS, LEFT_OUT}:
        choices = ", ".join([*filter(None, MEANINGS), NOTHING, f"{LEFT_OUT} (of a tag)"])
        raise BadPlan(
            f"--means {option!r} is unknown. Write it as --means 'word=unsubscribed'; the meanings are {choices}."
        )
    label, colon, word = term.partition(":")
    columns = _columns(plan, label) if colon else []
    while colon and not columns and ":" in word:  # a label may hold colons itself
        more, _, word = word.partition(":")
        label = f"{label}:{more}"
        columns = _columns(plan, label)
    everywhere = not columns
    word = _word(term if everywhere else word)
    has_match = False
    for column in _speaking(plan) if everywhere else columns:
        if not is_worded(column.becomes):
            column.becomes, column.why = "status", ""
            questions.again(column)
        if everywhere and word not in column.words and word not in column.seen:
            continue
        if meaning == LEFT_OUT and not holds_several(column.becomes):
            raise BadPlan(f"Only tags and groups can stay out one by one. Leave out “{column.label}” as a whole.")
        column.words[word], column.asks, has_match = meaning, "", True
    if not has_match:
        raise BadPlan(
            f"No column that tells a status has the word “{term.strip()}”. Look with --dry-run which words there are."
        )


def _word(text: str) -> str:
    text = text.strip()
    return next((word for word, written in WRITTEN.items() if text in {written, word}), word_of(text))


def _columns(plan: ImportPlan, label: str) -> list[ImportColumn]:
    every = [column for file in plan.files if file.use for column in file.columns]
    exact = [column for column in every if column.label == label.strip()]
    return exact or [column for column in every if labels.plain(column.label) == labels.plain(label) != ""]


def _speaking(plan: ImportPlan) -> Iterator[ImportColumn]:
    return (column for file in plan.files if file.use for column in file.columns if column.words)


# -- what could be said -----------------------------------------------------------------------------------------


def table(plan: ImportPlan) -> list[dict[str, object]]:
    """Every column and what it becomes, with every word of those that tell a status. For --dry-run and --json."""
    return [_row(file, column) for file in plan.in_order() for column in file.columns]


def _row(file: DetectedFile, column: ImportColumn) -> dict[str, object]:
    words = [
        {
            "word": column.seen.get(word, (WRITTEN.get(word, word), 0))[0] or WRITTEN[EMPTY],
            "means": {"": NOTHING, UNSAID: None}.get(meaning, meaning),
            "rows": column.seen[word][1] if word in column.seen else None,
        }
        for word, meaning in column.words.items()
        if word in column.seen or word in WRITTEN
    ]
    becomes = SHOWN.get(column.becomes, column.becomes)
    asks = bool(column.asks) and not file.is_gone
    return {
        "file": file.name,
        "column": column.label,
        "becomes": becomes,
        "asks": asks,
        "why": column.why,
        "words": words,
    }


def advice(plan: ImportPlan) -> str:
    """The options that answer what is asked, filled in with what is most likely; STATUS where a person must choose."""
    options: list[str] = []
    for file in plan.in_order():
        if not file.is_gone:
            options += [option for column in file.columns for option in _options(column)]
    return " ".join(dict.fromkeys(options))


def _options(column: ImportColumn) -> Iterator[str]:
    if column.asks:
        yield f"--map {shlex.quote(f'{column.label}={SHOWN.get(column.becomes, column.becomes)}')}"
    if not is_worded(column.becomes):
        return
    for word, meaning in column.words.items():
        if (column.asks or meaning == UNSAID) and (word in column.seen or word in WRITTEN):
            written = column.seen[word][0] if word in column.seen and word else WRITTEN.get(word, word)
            wish = {UNSAID: "STATUS", "": NOTHING}.get(meaning, meaning)
            yield f"--means {shlex.quote(f'{column.label}: {written}={wish}')}"
