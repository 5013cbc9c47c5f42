"""Names of lists, forms and organizations: mails that ask for a confirmation say them to anybody whose address somebody
types into a form."""

import re

from samizdat.core.unsafe_text import bare

# As mail programs make links of it: an address of the web or of a mailbox, or a domain alone, with any full stop.
_LINK = re.compile(r"://|@|\bwww\b|[^\W_][.\u3002\uff0e\uff61][^\W\d_]{2,}", re.IGNORECASE)


def has_link(name: str) -> bool:
    """Whether it leads somewhere, or has a line break or other signs that nobody sees."""
    return "\n" in name or bare(name) != name or _LINK.search(name) is not None
