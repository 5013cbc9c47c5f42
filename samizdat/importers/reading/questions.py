"""Which columns of a file a person must explain before anything comes in, and what their words most likely mean.

A file is read to its end for that: the one "unsubscribed" in line 90,000 counts as much as one in line 2. It costs
about as much as the look at how the file is written, and nothing for columns that are known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter

from samizdat.core.imports import (
    ADDRESS_LIST,
    EMPTY,
    JSON_LINES,
    LEFT_OUT,
    LISTED,
    OTHERS,
    UNSAID,
    DetectedFile,
    ImportColumn,
    ImportFailed,
    holds_several,
)
from samizdat.importers.reading import cells, labels, sentences
from samizdat.importers.reading.files import GivenFile, sound
from samizdat.importers.reading.mailboxes import asides
from samizdat.importers.reading.records import AmbiguousRecord, Mailboxes, RecordProblem, Records, records_of
from samizdat.importers.reading.slices import shape_of
from samizdat.importers.reading.text import Detector, TextEncoding, TextTable

ROWS = 200  # a thousand rows of thirty cells do not fit into the cache of a processor: a sixth slower
KEPT = 400  # different cells of a column that are held; of one with more only those that a person may have to see
LONGEST_ASIDE = 80  # characters of a line between two lists
UNWATCHED = frozenset({"language"} | {f"field:{tag}" for tag in ("PHONE", "BIRTHDAY", "ADDRESS")})
NAMES = frozenset({"name", "field:FNAME", "field:LNAME"})


class SeenColumn:
    """The different cells of a column. `many`: there were more than can be held, so only some of them are here."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()
        self.many = False

    def add(self, column: Iterable[str]) -> None:
        if not self.many:
            self.cells.update(column)
            if len(self.cells) > KEPT:
                self.many = True
                self.cells = self._worth_keeping(self.cells)
        else:
            self.cells.update(self._worth_keeping(Counter(column)))

    def _worth_keeping(self, counts: Counter[str]) -> Counter[str]:
        """Empty cells, a few to tell dates and money by, and whatever may say that somebody left, or gives."""
        few = max(0, KEPT // 2 - len(self.cells)) if self.cells is not counts else KEPT // 2
        kept = [
            *islice(counts, few),
            *filter(_is_telling, sentences.may_be_telling(counts)),
            *([""] if "" in counts else []),
        ]
        return Counter({cell: counts[cell] for cell in kept})


def _is_telling(cell: str) -> bool:
    return sentences.holds_leaving_word(cell) or sentences.says_who_gives(cell)


def count(
    given: GivenFile, file: DetectedFile, sheet: TextTable, known: frozenset[str], *, thorough: bool
) -> dict[int, SeenColumn]:
    """Column -> its different cells, for the columns that may speak. Not thorough: of the first rows alone."""
    watched = [column for column in file.columns if _may_speak(column, known)]
    if not thorough:
        return _counted(watched, [[row for row in sheet.rows if len(row) == len(file.columns)]])
    if not watched and known:
        return {}  # Else it is read for what parts it.
    return _count_all(given, file, known, watched)[0]


def count_and_scan(
    given: GivenFile, file: DetectedFile, known: frozenset[str]
) -> tuple[dict[int, SeenColumn], TextEncoding]:
    """The same with how it is written, as `given.scan` says, in one reading instead of two. Errors: ImportFailed."""
    watched = [column for column in file.columns if _may_speak(column, known)]
    seen, detector = _count_all(given, file, known, watched)
    return seen, detector.writing(whole=True)


def _count_all(
    given: GivenFile, file: DetectedFile, known: frozenset[str], watched: list[ImportColumn]
) -> tuple[dict[int, SeenColumn], Detector]:
    detector = Detector()
    try:
        return _counted(watched, _rows(given, file, known, detector, quickly=True)), detector
    except AmbiguousRecord:
        detector = Detector()
        return _counted(watched, _rows(given, file, known, detector, quickly=False)), detector


def _counted(watched: list[ImportColumn], blocks: Iterable[list[list[str]]]) -> dict[int, SeenColumn]:
    seen = {column.index: SeenColumn() for column in watched}
    for rows in blocks:
        for column in watched if rows else ():
            cells = list(map(itemgetter(column.index), rows))
            seen[column.index].add(asides(cells) if column.becomes == "address" else cells)
    return seen


def _may_speak(column: ImportColumn, known: frozenset[str]) -> bool:
    """Of what a service explains itself only the words of a status matter, and JSON, which holds anything."""
    if column.becomes in UNWATCHED:
        return False
    if column.becomes == "address" or column.becomes in NAMES or labels.plain(column.label) not in known:
        return True
    return column.becomes == "status" or column.example[:1] in {"{", "["}


def _rows(
    given: GivenFile, detected_file: DetectedFile, known: frozenset[str], detector: Detector, *, quickly: bool
) -> Iterator[list[list[str]]]:
    """The rows of a file, some at a time. Errors: ImportFailed where one of them parts it; Doubtful."""
    member = given.members[detected_file.member]
    with sound(member.name), member.open() as file:
        for taken in _blocks(
            records_of(file, shape_of(detected_file), detector.feed),
            quickly=quickly and detected_file.delimiter != JSON_LINES,
        ):
            if not known or detected_file.delimiter == ADDRESS_LIST:
                _insist_on_one_list(detected_file, taken)
            if rows := [row for _, row in taken if not isinstance(row, RecordProblem)]:
                yield rows


def _blocks(records: Records | Mailboxes, *, quickly: bool) -> Iterator[list[tuple[int, list[str] | RecordProblem]]]:
    if quickly and isinstance(records, Records):
        yield from records.blocks(ROWS)
        return
    every = iter(records)
    while taken := list(islice(every, ROWS)):
        yield taken


def _insist_on_one_list(file: DetectedFile, taken: list[tuple[int, list[str] | RecordProblem]]) -> None:
    """A line such as "Unsubscribed:" in the middle of a list says of everybody below it that they left; no column
    tells that. Errors: ImportFailed."""
    column = file.column("address")
    address = column.index if column else 0
    for line, row in taken:
        if isinstance(row, RecordProblem):
            text = row.text
        elif "@" in row[address]:
            continue
        else:
            text = "".join(row) if row[0] or row[address] else ""
            text = text if sum(map(bool, row)) == 1 else ""
        if text and len(text) <= LONGEST_ASIDE and "@" not in text and sentences.sounds_gone(text):
            raise ImportFailed("leaving_line", file=file.name, line=line, text=text.strip())


def settle(file: DetectedFile, seen: dict[int, SeenColumn], known: frozenset[str] = frozenset()) -> None:
    """What each column becomes after its cells were seen. `known`: labels (plain) that the service explains itself."""
    for column in file.columns:
        if column.index not in seen:
            continue
        held = _stripped(seen[column.index])
        many = seen[column.index].many
        if column.becomes == "address":
            _beside(column, list(held))
        elif column.becomes in NAMES:
            _named(file, column, held)
        elif labels.plain(column.label) in known and column.label.strip():
            _known(column, held)
        elif not _kept_private(column, held, label="" if column.form == LISTED else None):
            _guessed(file, column, held, many)
            _about_givers(column, held)
        if column.words or (len(held) <= sentences.FEW and column.becomes != "address"):
            listed = sorted(
                held.items(), key=lambda entry: (sentences.word_of(entry[0]) not in column.words, -entry[1])
            )
            column.seen = {sentences.word_of(cell): (cell, number) for cell, number in listed[:KEPT]}
            column.seen |= {word: entry for word, entry in _by_part(column, held).items() if word in column.words}


def _parts(column: ImportColumn, cell: str) -> tuple[str, ...]:
    """The tags or groups in a cell; of any other column the cell."""
    if column.becomes == "tags":
        return cells.tags_of(column.form)(cell)
    return cells.groups(cell) if holds_several(column.becomes) else (cell,)


def _by_part(column: ImportColumn, held: Counter[str]) -> dict[str, tuple[str, int]]:
    """Tags and groups as the file writes them, and in how many rows."""
    counts: Counter[str] = Counter()
    if holds_several(column.becomes):
        for cell, number in held.items():
            counts.update(dict.fromkeys(_parts(column, cell), number))
    return {sentences.word_of(part): (part, number) for part, number in counts.items()}


def _stripped(seen: SeenColumn) -> Counter[str]:
    held: Counter[str] = Counter()
    for cell, number in seen.cells.items():
        held[cell.strip()] += number
    return held


def _known(column: ImportColumn, held: Counter[str]) -> None:
    """A column that its service explains: words it never told us are asked, an empty cell is not a yes."""
    if column.becomes == "status":
        if OTHERS not in column.words and any(cell and sentences.word_of(cell) not in column.words for cell in held):
            column.asks = "cells"
        fill(column, held)
    elif any(cell[:1] in "{[" for cell in held if cell):
        _kept_private(column, held, label="")


def _kept_private(column: ImportColumn, held: Counter[str], label: str | None = None) -> bool:
    """Who gave what and when, or belongs to whom, puts people in court: it stays where it is (threat model, R7)."""
    if column.becomes == "out" and column.why in {"ip", "reading"}:
        return False
    why = sentences.private_because(column.label if label is None else label, [cell for cell in held if cell])
    if not why:
        return False
    says_gone = sentences.leaving_of_donors(column.label)
    if label is None and any(map(says_gone, held)):
        # "Customer status: unsubscribed": what says that somebody left is heard, and nothing else of it comes in.
        column.becomes, column.why, column.asks = "status", "", "cells"
        _only_phrases(column, held, says_gone)
        return True
    column.becomes, column.why, column.words = "out", why, {}
    return True


def _guessed(file: DetectedFile, column: ImportColumn, held: Counter[str], many: bool) -> None:
    words = [cell for cell in held if cell]
    if column.becomes == "out" and column.why == "ip":
        return
    times = sentences.are_times(words)
    if column.becomes in {"opt_in_time", "confirm_time", "last_changed"} and (times or not words):
        return
    if column.becomes == "tags":
        _beside(column, words)
        return
    match = sentences.saying_of(column.label)
    if labels.plain(column.label) in labels.NAMES_AND_PLACES:
        if any(map(sentences.holds_leaving_phrase, words)):
            column.becomes, column.why, column.asks = "status", "", "cells"
            _only_phrases(column, held, sentences.holds_leaving_phrase)
        return
    if column.becomes == "out" and match.kind != "gone" and not any(map(sentences.holds_leaving_phrase, words)):
        return
    if times and match.kind == "agreed" and not match.asked:
        if file.column("opt_in_time") is None:
            column.becomes = "opt_in_time"
        return
    column.asks = sentences.speaks(column.label, words)
    if not column.asks:
        return
    if sentences.is_about_else(column.label) and column.asks == "label" and not any(map(sentences.meaning_of, words)):
        return  # Asked, for it may be about letters; most likely it is not.
    if match.elsewhere and column.asks == "label":
        column.becomes, column.why, column.words = "out", sentences.about_what(column.label), {}
        return
    free = many or len(words) > sentences.FEW or times
    column.words = sentences.presets(column.label, held, many=free)
    if column.asks == "cells" and not times:
        _only_notes(column, held, many=free)
    if times and match.kind == "agreed":
        column.words[OTHERS] = ""  # a day of consent; who has none gave none
    column.why = ""
    _becomes(file, column, match, words, times)


def _only_notes(column: ImportColumn, held: Counter[str], *, many: bool) -> None:
    """Texts that everybody writes differently are no status: those that hold a leaving word are listed and asked, and
    the others, of whom nobody can be asked one by one, say nothing. Nor does it say anything that there is no note."""
    notes = many or column.becomes in {"notes", "left_reason"} or sentences.is_note(column.label, held)
    if notes:
        _only_phrases(column, held, sentences.holds_leaving_word)


def _only_phrases(column: ImportColumn, held: Counter[str], says_gone: Callable[[str], bool]) -> None:
    gone = [cell for cell in held if says_gone(cell)]
    column.words = {sentences.word_of(cell): sentences.meaning_of(cell) or "unsubscribed" for cell in gone}
    column.words[OTHERS] = ""
    if "" in held:
        column.words[EMPTY] = ""


def _becomes(
    file: DetectedFile, column: ImportColumn, match: sentences.SentenceMatch, words: list[str], times: bool
) -> None:
    target = "clean_time" if match.yes == "cleaned" else "left_time"
    if times and match.kind == "gone" and (file.column(target) or column) is column:
        column.becomes, column.words = target, {}
    elif column.becomes not in {"notes", "left_reason"}:
        column.becomes = "status"
    own = {sentences.word_of(word) for word in words}
    if labels.plain(column.label) in labels.STATUS and own <= sentences.OWN_WORDS and EMPTY not in own:
        column.asks = ""  # the very words that Samizdat has for it


def doubt(file: DetectedFile) -> None:
    """Asks about columns of yes and no under labels that nobody knows, where no column plainly tells the status: one of
    them may be the no ("May we write to you?"), and as a field it would be passed over."""
    if any(column.becomes == "status" and not column.asks and column.words for column in file.columns):
        return
    for column in file.columns:
        cells = [cell for cell, _number in column.seen.values()]
        if column.becomes[:6] != "field:" or column.asks or not sentences.answers(cells):
            continue
        if sentences.is_about_else(column.label):
            column.asks = "label"
        else:
            column.becomes, column.asks = "status", "cells"
            column.words = sentences.presets(column.label, cells)


def _named(file: DetectedFile, column: ImportColumn, held: Counter[str]) -> None:
    """Names keep being names, and count as a status where they say that somebody left: surnames never do. Pasted lists
    say it behind the address."""
    says_gone = sentences.holds_leaving_word if file.delimiter == ADDRESS_LIST else sentences.name_says_gone
    if any(map(says_gone, filter(None, held))):
        column.asks = "cells"
        _only_phrases(column, held, says_gone)


def _about_givers(column: ImportColumn, held: Iterable[str]) -> None:
    """Tags, groups and values that say who gives money or pays: they stay out, and a person is asked, for a word may
    mean something else here. Where a column says little else, all of it stays out like an amount."""
    parts = {part for cell in held if cell for part in _parts(column, cell)}
    giving = sorted(part for part in parts if sentences.says_who_gives(part))
    if not giving or column.becomes == "out":
        return
    if holds_several(column.becomes):
        out = {sentences.word_of(part): LEFT_OUT for part in giving}
        column.words = {OTHERS: "", **out, **column.words}
        column.asks = column.asks or "givers"
    elif column.becomes[:6] == "field:" and labels.plain(column.label) not in labels.NAMES_AND_PLACES:
        column.becomes = "out"
        if len(giving) * 2 >= len(parts):
            column.why = "donations"
        else:
            column.asks = "givers"


def _beside(column: ImportColumn, words: list[str]) -> None:
    """Tags that say who left keep being tags, and count as a status besides. What stands beside an address does too."""
    parts = {part for cell in words for part in _parts(column, cell)}
    gone = {part for part in parts if sentences.holds_leaving_word(part)}
    if gone:
        column.asks = "cells"
        column.words = {sentences.word_of(tag): sentences.meaning_of(tag) or "unsubscribed" for tag in sorted(gone)}
        column.words[OTHERS] = ""


def fill(column: ImportColumn, held: Iterable[str]) -> None:
    """Gives words that nobody explained yet what they most likely mean under this label."""
    all_of_them = list(held)
    missing = [cell for cell in all_of_them if cell and sentences.word_of(cell) not in column.words]
    if OTHERS not in column.words:
        defaults = sentences.presets(column.label, missing, many=len(missing) > sentences.FEW)
        column.words = {**defaults, **column.words}
    if "" in all_of_them:
        column.words.setdefault(EMPTY, "nonsubscribed" if "subscribed" in column.words.values() else "")


def again(column: ImportColumn) -> None:
    """After a person called a column the status: its words, as far as they were seen."""
    if column.becomes == "status":
        fill(column, [cell for cell, _ in column.seen.values()])
        if not column.words:
            column.words = {OTHERS: sentences.others(column.label)}


def unsaid(column: ImportColumn) -> list[str]:
    """The words of a column that a person has to explain."""
    return [word for word, meaning in column.words.items() if meaning == UNSAID]
