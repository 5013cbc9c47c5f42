"""Which mails about work somebody gets: all, but those that they switched off in their profile.

What is sealed says which they are without; where it can't be opened they get all, so nobody else switches any off.
"""

from collections.abc import Collection

from samizdat.accounts import sealed_people
from samizdat.accounts.models import Person
from samizdat.core.crypto.seal import SealError

# What such a mail may be about.
TOPICS = ("finished", "waiting", "paused", "approval", "route", "import")


def unwanted(person: Person) -> frozenset[str]:
    try:
        text = sealed_people.open_text(person.notices_sealed, "notices", person.pk)
    except SealError:
        return frozenset()
    return frozenset(text.split()) & frozenset(TOPICS)


def choose(person: Person, wanted: Collection[str]) -> None:
    """Sets the column; saving is the caller's."""
    off = " ".join(topic for topic in TOPICS if topic not in wanted)
    person.notices_sealed = sealed_people.seal_text(off, "notices", person.pk)
