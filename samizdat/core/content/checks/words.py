"""Words that were not meant to go out: a test's subject, what was left over from a template."""

import re
from collections.abc import Iterator

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.checks.first_words import PLACEHOLDERS
from samizdat.core.content.problems import ContentProblem

_TRIAL = re.compile(
    r"(?<!\w)(test(?:ing)?|draft|copy of|untitled|asdf\w*|qwerty|тест(?:ов\w*)?|проба|проверка|черновик|копия)(?!\w)",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(
    r"lorem ipsum|(?<!\w)(?:TODO|FIXME|TBD|XXX+)(?!\w)|\[(?:link|name|date|ссылка|имя|дата)\]", re.IGNORECASE
)


def look(reading: Readability) -> Iterator[ContentProblem]:
    for place, text in (("subject", reading.subject), ("preheader", reading.preheader)):
        if match := _TRIAL.search(text):
            yield ContentProblem(1, "subject_trial", {"word": match[0]}, None, "care", place)
    seen = set()
    for match in _LEFT_OVER.finditer(reading.text):
        word = match[0]
        if word not in seen:
            seen.add(word)
            yield reading.flaw("left_over", word, word=word)
    written = " ".join(reading.where.words.split())
    for words in PLACEHOLDERS:
        if words in written:
            yield reading.flaw("left_over", words, word=words)
