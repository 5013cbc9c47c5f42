"""Text of somebody else's, as it may be shown among ours: what would act on the text around it becomes visible."""

import json
import re

# Controls (but tab and line breaks), signs without width that hide a difference, separators, and what turns the
# direction of writing (UAX #9): a name may not make the line after it read backwards, nor a terminal obey it. The marks
# U+200E, U+200F and U+061C, the joiners of Persian and the like turn nothing around: whoever writes so needs them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def marked(text: str) -> str:
    """The text with its hidden signs by number: [U+202E]."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def one_line(text: str) -> str:
    """For a terminal or a log: what somebody else wrote gets no line of its own."""
    return marked(text).replace("\n", " ")


def escaped(document: str) -> str:
    """A JSON document with them as \\u202e: it says the same, and a terminal that shows it obeys nothing."""
    return _HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1], document)


def bare(text: str) -> str:
    """The text without them."""
    return _HIDDEN.sub("", text)
