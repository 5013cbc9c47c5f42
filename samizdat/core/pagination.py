"""What a public page of 14 KB holds (threat model, T12): said at the desk, and kept by the public process.

Bytes are estimated from above, so that the two say the same without the one having the other's templates.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

LIMIT = 14 * 1024
# A sign-up page with its stylesheet and script, for the longest name of a group; and what its errors and warnings add.
FORM, REMARKS = 8500, 1100
# Around a field, a box to tick, and a choice; names are cut after so many characters.
FIELD, BOX, CHOICE = 330, 130, 17
LABEL, NAME = 36, 32
# What the page of settings has for its topics, and how much of a name it shows; around the words that ask for appeals.
TOPICS, TOPIC, APPEALS = 3200, 60, 520


def written(
    texts: Iterable[str], boxes: Iterable[str], labels: Iterable[str], choices: Mapping[int, Sequence[str]]
) -> frozenset[int]:
    """Fields of a form whose choices do not all fit on its page: readers write what they would choose.

    texts: title twice, words, introduction. boxes: names of lists and topics. choices: field number -> its choices.
    """
    left = LIMIT - FORM - REMARKS - sum(map(weight, texts))
    left -= sum(BOX + weight(name[:NAME]) for name in boxes) + sum(FIELD + weight(name[:LABEL]) for name in labels)
    numbers = set()
    for number, size in sorted(
        ((number, sum(CHOICE + weight(choice) for choice in some)) for number, some in choices.items()),
        key=lambda entry: entry[1],
    ):
        left -= size
        if left < 0:
            numbers.add(number)
    return frozenset(numbers)


def shown(names: Sequence[str], appeals: str = "") -> int:
    """How many of these topics the page of settings shows, from the first on. appeals: the words beside its box for
    those; "" without one."""
    left = TOPICS - (APPEALS + weight(appeals) if appeals else 0)
    for place, name in enumerate(names):
        left -= BOX + weight(name[:TOPIC])
        if left < 0:
            return place
    return len(names)


def weight(text: str) -> int:
    """Bytes of a text in a page."""
    return len(escape(text).encode())
