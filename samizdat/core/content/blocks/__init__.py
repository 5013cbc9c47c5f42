"""A letter made of blocks: the schema of its JSON, reading, writing, and what it becomes.

The JSON is that of a TipTap document; docs/content-format.md describes it. A document that has passed `parse` is plain
dicts and lists in their one canonical spelling, every attribute filled in: whatever comes after may lean on it.
"""

from samizdat.core.content.blocks.markdown import from_markdown, to_markdown
from samizdat.core.content.blocks.page import to_html
from samizdat.core.content.blocks.parser import BadDocument, dumps, parse
from samizdat.core.content.blocks.schema import VERSION, Node

__all__ = ["VERSION", "BadDocument", "Node", "dumps", "from_markdown", "parse", "to_html", "to_markdown"]
