"""What can be wrong with a segment."""

# Code -> what is wrong, then what to do.
SENTENCES = {
    "too_deep": "This segment has too many conditions, or they’re nested too deep. Split it into two segments.",
    "not_json": "This isn’t a segment: it’s not JSON, or it’s much too long. Write it like this: {'tag': 12}.",
    "one_name": "A condition has one name and one value. Write it like this: {'tag': 12}.",
    "unknown": "This segment contains an unknown condition. See the list of conditions in the handbook.",
    "bad_value": "A condition has a value that isn’t allowed. See the list of conditions in the handbook.",
    "long_value": "A field is compared with a text of more than 200 characters. Use a shorter one.",
    "bad_day": "Write dates like 2026-01-31, and numbers of days from 1 to 36,500.",
    "bad_number": "A field is compared as a number with something that isn’t one. Write it like 12 or 12.5.",
}


class BadSegment(ValueError):
    """Not a segment: `code` of SENTENCES. ``str()`` is a sentence that says what to do."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(SENTENCES[code])
