"""One planted address an export (threat model, T22): a made-up reader who stands in this file and in no other.

Where their address turns up, the file has been passed on, and we know which. They are nowhere in the house but in the
row of the export: no count knows them, and no import takes them (core/crypto/canary.py).
"""

import re
import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from random import Random
from urllib.parse import urlsplit

from samizdat.accounts import sealed_people as accounts
from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import SUBSCRIBED, Subscriber
from samizdat.audience.numbers import one_number
from samizdat.audience.queries import details_of
from samizdat.core import consent
from samizdat.core.mail import address as addresses
from samizdat.portability import subscribers
from samizdat.portability.canary_alarms import planted_in_exports
from samizdat.portability.selection import SelectionFilter

# So many readers are looked at for what is usual: which fields are filled and with what.
SAMPLE = 200
TRIES = 100

FIRST = (
    "Alina", "Anna", "Daria", "Eva", "Elena", "Galina", "Hanna", "Inga", "Irina", "Jana", "Katja", "Lena", "Lidia",
    "Maria", "Marta", "Nina", "Olga", "Polina", "Rita", "Sofia", "Tamara", "Vera", "Alexei", "Anton", "Boris", "Denis",
    "Egor", "Filip", "Igor", "Ivan", "Jan", "Kirill", "Leon", "Maxim", "Nikita", "Oleg", "Pavel", "Roman", "Timur",
)  # fmt: skip
LAST = (
    "Adler", "Belova", "Berg", "Bondar", "Brandt", "Cerny", "Dvorak", "Egorova", "Frank", "Gromova", "Hoffmann",
    "Kaminski", "Kask", "Klein", "Koval", "Kruger", "Lang", "Lapina", "Lind", "Markova", "Melnik", "Moroz", "Nagy",
    "Novak", "Orlova", "Ozols", "Petrenko", "Popova", "Reznik", "Saar", "Seidel", "Sidorenko", "Tamm", "Titova",
    "Urban", "Vasiliev", "Voit", "Weiss", "Zaitseva", "Zielinski",
)  # fmt: skip


@dataclass(slots=True)
class Canary:
    """The planted reader, and their blind index by which the house knows them again."""

    person: subscribers.ExportedSubscriber
    blind: bytes

    @property
    def id(self) -> int:
        return self.person.number


def sample(
    home: subscribers.ExportContext, wanted: SelectionFilter, now: datetime, *, nobody: bool = False
) -> list[subscribers.ExportedSubscriber]:
    """Some readers of a file, for plant(). A segment is gone through until it has found them, so not inside of a
    transaction; `nobody`: it is known to have none."""
    chance = Random(secrets.randbits(128))
    if wanted.everybody:
        return _sample(home, chance)
    ids = [] if nobody else wanted.some(home.organization, now, SAMPLE, chance)
    return subscribers.whole(home, ids) if ids else []


def plant(
    home: subscribers.ExportContext, by: Person | None, sample: list[subscribers.ExportedSubscriber]
) -> Canary | None:
    """A reader like the others of the file, made up; None where there is nobody to be like. Inside a transaction."""
    chance = Random(secrets.randbits(128))
    if not sample:
        return None
    like = _like(sample, chance)
    first, last, address = _name(home, domain_of(home, by), chance)
    values = _usual(sample, like)
    for number, field in home.fields.items():
        if field["tag"] in ("FNAME", "LNAME") and number in like.values:
            values[number] = first if field["tag"] == "FNAME" else last
    person = subscribers.ExportedSubscriber(
        number=one_number(home.organization.id),
        address=address,
        values=values,
        language=like.language,
        joined=like.joined,
        tags=like.tags,
        lists=[(*of[:3], *("" for _ in of[3:])) for of in like.lists],  # They chose nothing about their letters.
        asking=dict(like.asking),
        records=[_like_record(record, chance) for record in like.records],
    )
    return Canary(person, home.keys.blind(addresses.comparable(address)))


def is_free(home: subscribers.ExportContext, planted: Canary) -> bool:
    """Whether nobody has signed up with their number since they were made up."""
    return not Subscriber.objects.filter(id=home.start + planted.id).exists()


def domain_of(home: subscribers.ExportContext, by: Person | None) -> str:
    """Where their mailbox would be: a domain of the organization's own, never a stranger's.

    One that catches all mail makes a hit seen; where none is known the address is one that cannot exist (RFC 2606).
    """
    mine = [leading(home.organization).return_address]
    for row in home.lists.values():
        mine.append(details_of(row).from_email)
    if by is not None:
        mine.append(accounts.email_of(by))
    for text in mine:
        host = text.rpartition("@")[2].strip(" >").lower()
        if _is_domain(host) and not addresses.provider(host):
            return host
    host = urlsplit(leading(home.organization).public_url).hostname or ""
    return host if _is_domain(host) else f"{home.organization.slug}.invalid"


def _is_domain(host: str) -> bool:
    """Not so of an IP address, by which the pages of a house may be reached: nobody's mailbox is there."""
    try:
        return "." in host and bool(addresses.normalize(f"a@{host}"))
    except addresses.BadAddress:
        return False


def _sample(home: subscribers.ExportContext, chance: Random) -> list[subscribers.ExportedSubscriber]:
    """Readers from a random place on, and from the beginning where there are few."""
    last = audience_sql.subscribers_below(home.start, home.end, 1)
    if not last:
        return []
    at = chance.randrange(home.start, last[0] + 1)
    ids = audience_sql.subscribers_after(home.organization.id, at - 1, home.end, SAMPLE)
    if len(ids) < SAMPLE:
        ids = sorted({*ids, *audience_sql.subscribers_after(home.organization.id, home.start, home.end, SAMPLE)})
    return subscribers.whole(home, ids)


def _like(sample: list[subscribers.ExportedSubscriber], chance: Random) -> subscribers.ExportedSubscriber:
    """One that is written to, if there is one: only then does a stolen list get used on them."""
    written = [
        subscriber
        for subscriber in sample
        if any(of[1] == SUBSCRIBED for of in subscriber.lists) and not subscriber.suppressed
    ]
    return chance.choice(written or sample)


def _usual(sample: list[subscribers.ExportedSubscriber], like: subscribers.ExportedSubscriber) -> dict[int, str]:
    """Those of their values that others have as well: a telephone number twice in a list would be seen."""
    seen = Counter((number, text) for subscriber in sample for number, text in subscriber.values.items())
    return {number: text for number, text in like.values.items() if seen[number, text] > 1}


def _like_record(record: subscribers.ReadRecord, chance: Random) -> subscribers.ReadRecord:
    """The same day and words; another moment of the day, and another line of the file that they came in by."""
    words = dict(record[5])
    for word in (consent.AT, consent.ASKED_AT):
        if len(words.get(word, "")) > 10:
            clock = f"{chance.randrange(7, 23):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
            words[word] = f"{words[word][:11]}{clock}Z"
    if consent.SOURCE in words:
        words[consent.SOURCE] = re.sub(r"(?<!\d)\d+$", lambda _: str(chance.randrange(2, 5_000)), words[consent.SOURCE])
    words.pop(consent.REASON, None)
    return (*record[:5], words)


def _name(home: subscribers.ExportContext, domain: str, chance: Random) -> tuple[str, str, str]:
    known = planted_in_exports(home.organization)
    for _ in range(TRIES):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        local = chance.choice((f"{first}.{last}", f"{first}{last}", f"{first[0]}.{last}", f"{last}.{first}")).lower()
        address = f"{local}{chance.choice(('', '', str(chance.randrange(1960, 2008)), str(chance.randrange(10, 99))))}"
        address = addresses.normalize(f"{address}@{domain}")
        blinds = home.keys.blinds(addresses.comparable(address))
        rows = Subscriber.objects.filter(organization=home.organization, email_index__in=blinds)
        if not rows.exists() and known.isdisjoint(blinds):
            return first, last, address
    raise AssertionError("A hundred names in a row were taken.")
