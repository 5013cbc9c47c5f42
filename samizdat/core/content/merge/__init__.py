"""Our merge language and Mailchimp's, read into one tree.

    {{ FNAME }}  {{ FNAME | default: "friend" }}  {% if CITY == "Riga" %} .. {% elif .. %} .. {% else %} .. {% endif %}
    *|FNAME|*    *|URL:EMAIL|*                    *|IF:CITY=Riga|* .. *|ELSEIF:..|* .. *|ELSE:|* .. *|END:IF|*

`parse` gives nodes with line numbers, and flaws. Nothing that looks like a tag is ever left in a text node:
a tag that we do not know would otherwise be sent as it stands. Mailchimp's language is described in its own help
pages; which of its tags mean what here stands in three tables of names.py.
"""

from samizdat.core.content.merge.parser import MAX_DEPTH, parse, without, written
from samizdat.core.content.merge.tag_names import FLAGS, KNOWN, MAILCHIMP, NUMBERED, PERSONAL, gone
from samizdat.core.content.merge.tree import (
    GROUPS,
    MOST_CONDITIONS,
    TAGGED,
    Branch,
    IfBlock,
    MergeCondition,
    MergeTag,
    Node,
    Text,
    Tree,
    different,
    escaped_group,
    resolve,
    split_groups,
    walk,
)

__all__ = [
    "FLAGS",
    "GROUPS",
    "KNOWN",
    "MAILCHIMP",
    "MAX_DEPTH",
    "MOST_CONDITIONS",
    "NUMBERED",
    "PERSONAL",
    "TAGGED",
    "Branch",
    "IfBlock",
    "MergeCondition",
    "MergeTag",
    "Node",
    "Text",
    "Tree",
    "different",
    "escaped_group",
    "gone",
    "parse",
    "resolve",
    "split_groups",
    "walk",
    "without",
    "written",
]
