"""Names of lists, forms and organizations: mails that ask for a confirmation say them to anybody whose address somebody
types into a form. And values of fields, which no second person has read."""

import re
import unicodedata

from samizdat.core.unsafe_text import bare

# As mail programs make links of it: an address of the web or of a mailbox, or a domain alone, with any full stop.
_LINK = re.compile(r"://|@|\bwww\b|[^\W_][.\u3002\uff0e\uff61][^\W\d_]{2,}", re.IGNORECASE)
# A group that is called as its site is: a domain and no other word, which asks nobody to do anything.
_DOMAIN_ALONE = re.compile(r"(?!www\.)[A-Za-z0-9-]{1,40}\.[A-Za-z]{2,12}")


def has_link(name: str) -> bool:
    """Whether it leads somewhere, or has a line break or other signs that nobody sees."""
    return not _DOMAIN_ALONE.fullmatch(name) and leads_out(name)


def leads_out(text: str) -> bool:
    """The same of what is no name: a domain alone leads out too."""
    return "\n" in text or bare(text) != text or _LINK.search(_seen(text)) is not None


def _seen(text: str) -> str:
    """Without what takes no room of its own, such as a soft hyphen: readers see a domain all the same."""
    return "".join(sign for sign in text if text.isascii() or unicodedata.category(sign) not in ("Cf", "Mn", "Me"))
