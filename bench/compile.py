"""CPU time of compiling a letter: `./run bench compile`. Blocks, Markdown and HTML. And 200 random documents
must say the same in JSON, HTML and text.
"""

import statistics
import time
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from hypothesis import given, settings

from bench import letters
from samizdat.core.content.compile import compile_letter
from samizdat.core.content.render import Content
from tests.core.blocks import EVERY_BLOCK, content, documents
from tests.core.test_blocks import assert_the_same

LIMIT = 20  # ms
ROUNDS = 41
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

MARKDOWN = "# News\n\n" + "Hello {{ FNAME }}, [read on](https://lantern.example/story).\n\n- one\n- two\n\n" * 20


def contents() -> dict[str, Content]:
    plain = {"subject": "News", "from_name": "Northern Lantern", "from_address": "letter@lantern.example"}
    plain |= {"website": "https://lantern.example", "organization": "Northern Lantern"}
    fields = {"FNAME": "", "CITY": ""}
    folder = files("samizdat.core").joinpath("templates/starters")
    begun = {file.name: content(file.read_text()) for file in folder.iterdir()}
    return {
        **dict(sorted(begun.items())),
        "every block": content(EVERY_BLOCK),
        "Markdown": Content(body=MARKDOWN, fields=fields, **plain),
        "HTML, 29 tables": Content(body=letters.letter(), format="html", fields=fields, **plain),
    }


def median_ms(made: Content) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        compile_letter(made, now=NOW, boundary="b" * 24)
        times.append((time.process_time() - begin) * 1000)
    return statistics.median(times)


@settings(max_examples=200, deadline=None, database=None)
@given(documents)
def random_documents(letter: Any) -> None:
    assert_the_same(letter)


def main() -> None:
    for name, made in contents().items():
        took = median_ms(made)
        print(f"{name:28} {took:6.1f} ms{'' if took <= LIMIT else f'  above {LIMIT} ms'}")
    random_documents()
    print("200 random documents say the same in JSON, HTML and text")


if __name__ == "__main__":
    main()
