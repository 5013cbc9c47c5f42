"""How a foreign template has its text: what blocks wear where they stand in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class BlockStyles:
    """attrs: attributes of a tag, escaped and with a blank before, such as ' class="lead"'; `img` without src and alt.

    lines: paragraphs are lines with an empty one between, since the template has no element for them. pictures: they
    are a plain element as in the template, with the attributes of `img`, alone or in a paragraph; "": ours. before and
    after stand around everything.
    """

    attrs: Mapping[str, str] = field(default_factory=dict)
    lines: bool = False
    pictures: Literal["", "bare", "p"] = ""
    before: str = ""
    after: str = ""

    def of(self, tag: str) -> str:
        return self.attrs.get(tag, "")


PLAIN = BlockStyles()
