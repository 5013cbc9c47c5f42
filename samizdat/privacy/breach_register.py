"""Something got out: who is affected by what, how long the law leaves, and drafts of what has to be written.

GDPR, articles 33 (the authority, within 72 hours of noticing) and 34 (the readers, without undue delay, where the
risk to them is high; not where the data cannot be read by whoever has them, 34(3)(a)). What each kind surrenders is
the table of the threat model, section 2.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import override

from samizdat import formatting
from samizdat.accounts import roles
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.models import ConsentRecord, Suppression
from samizdat.campaigns.models import Campaign
from samizdat.delivery.models import MinuteTotal
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.privacy.legal_documents import LegalDocument, Section
from samizdat.privacy.models import Breach
from samizdat.privacy.settings import facts_of
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json

HOURS = 72

# Stored as these words; the order is that of the form.
KINDS: dict[str, str | Promise] = {
    "disk": lazy("A disk, a database or a backup was copied or lost, without the key file"),
    "key": lazy("The key file, too, or somebody was root on the running machine"),
    "account": lazy("Somebody’s password or open session at the desk"),
    "route": lazy("The password of a route, or a provider that carries letters"),
    "export": lazy("A file that was exported without being sealed"),
}

# Kinds in which whoever has the data cannot read who the readers are.
UNREADABLE = frozenset({"disk"})

EXPORTING: tuple[EventKind, ...] = ("subscribers.exported", "subscribers.export.fetched")


@dataclass(frozen=True, slots=True)
class AffectedFilter:
    """What somebody says of a breach. `since`: the first day on which it can have been used."""

    kind: str
    noticed: datetime
    since: date | None = None
    person: int | None = None
    route: int | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class BreachNotice:
    """What stands beside a breach under seal."""

    notes: str = ""
    done: str = ""
    since: str = ""
    person: int | None = None
    route: int | None = None
    no_risk: bool = False  # Somebody decided that nobody is at risk, so that the authority need not be told.


@dataclass(frozen=True, slots=True)
class AffectedPeople:
    """How much of what. `readers`: whose address can be read by whoever has it; `letters`: handed over to them."""

    readers: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def affected(organization: Organization, asked: AffectedFilter) -> AffectedPeople:
    """Counts, never who. Reads totals and the log, so it costs the same for a million."""
    everybody = audience.count(organization)
    if asked.kind == "account":
        return _by_account(organization, asked)
    if asked.kind == "route":
        return _by_route(organization, asked)
    counts = {
        "subscribers": everybody,
        "subscribed": audience.count(organization, status="subscribed"),
        "records": ConsentRecord.objects.filter(organization=organization).count() if everybody < 100_000 else 0,
        "suppressions": Suppression.objects.filter(organization=organization).count(),
        "letters": Campaign.objects.filter(organization=organization, version_of=None).count(),
        "people": len(roles.memberships(organization=organization)),
    }
    if asked.kind == "export":
        counts = {name: counts[name] for name in ("subscribers", "subscribed")}
    readable = 0 if asked.kind in UNREADABLE else everybody
    return AffectedPeople(readable, {name: count for name, count in counts.items() if count})


def _since(asked: AffectedFilter) -> datetime:
    day = asked.since or asked.noticed.astimezone(UTC).date()
    return datetime.combine(day, time(), UTC)


def _by_account(organization: Organization, asked: AffectedFilter) -> AffectedPeople:
    """What this person's account did since then, as the log tells it: a stolen session leaves the same lines."""
    rows = Event.objects.filter(organization=organization, by=asked.person, at__gte=_since(asked))
    reading = ("subscriber.opened", "subscriber.access_exported")
    looked = rows.filter(kind__in=reading).values("about").distinct().count()
    counts = {
        "opened": looked,
        "changed": rows.filter(kind__startswith="subscriber.").exclude(kind__in=reading).count(),
        "exports": rows.filter(kind__in=EXPORTING).values("about").distinct().count(),
        "released": rows.filter(kind="campaign.released").count(),
    }
    readers = audience.count(organization) if counts["exports"] else looked
    return AffectedPeople(readers, {name: count for name, count in counts.items() if count})


def _by_route(organization: Organization, asked: AffectedFilter) -> AffectedPeople:
    rows = MinuteTotal.objects.filter(edition__organization=organization, route=asked.route, minute__gte=_since(asked))
    handed = rows.aggregate(sum=Sum("accepted"))["sum"] or 0
    # No more people than are on the lists, however many letters each of them got.
    return AffectedPeople(min(handed, audience.count(organization)), {"handed": handed} if handed else {})


def told_of(breach: Breach) -> BreachNotice:
    return open_json(keyring.keys(breach.organization), breach.notes_sealed, "breach", "notes", breach.pk, BreachNotice)


def deadline(breach: Breach) -> datetime:
    """Until when the authority has to be told."""
    return breach.noticed + timedelta(hours=HOURS)


# -- drafts -----------------------------------------------------------------------------------------------------

COUNTED: dict[str, str | Promise] = {
    "subscribers": lazy("entries of readers"),
    "subscribed": lazy("of them getting letters now"),
    "records": lazy("records of consent"),
    "suppressions": lazy("keyed marks of the stop list"),
    "letters": lazy("letters and drafts"),
    "people": lazy("people who work here"),
    "opened": lazy("entries of readers looked at"),
    "changed": lazy("entries of readers changed"),
    "exports": lazy("exports made"),
    "released": lazy("letters released"),
    "handed": lazy("letters handed over"),
}

_SURRENDERS: dict[str, str | Promise] = {
    "disk": lazy(
        "Addresses, names, fields and drafts are sealed and cannot be read without the key file. What can be read: "
        "numbers, statuses, days, languages and mailbox services without names, published letters, names of groups."
    ),
    "key": lazy(
        "Everything: addresses, names, fields, consent, notes, drafts, passwords of routes and signing keys. Letters "
        "could be sent in the name of the group."
    ),
    "account": lazy("What this account may do: look at readers one by one, write letters, and as an admin export."),
    "route": lazy(
        "Addresses and contents of letters that went by it, when they were handed over; letters could be sent in the "
        "name of the group. Not the list."
    ),
    "export": lazy("Addresses and whatever else was exported, in clear."),
}

_FIRST: dict[str, tuple[str | Promise, ...]] = {
    "disk": (
        lazy("Look where the key file lies, and whether it can have gone along."),
        lazy("Change the passwords of the machine and of whoever keeps backups."),
    ),
    "key": (
        lazy("Take the machine off the net, and found a new house on another one with a fresh key."),
        lazy("Change the passwords of all routes at their providers."),
        lazy("Change the signing keys under Sending domains, and take the old records out of DNS."),
    ),
    "account": (
        lazy("Remove the person under People; from then on no session of hers opens anything here."),
        lazy("Look at what the account did, below, and whether a letter waits to go out."),
    ),
    "route": (
        lazy("Change the password at the provider, then under Routes."),
        lazy("Look at the provider’s own log for letters that are not yours."),
    ),
    "export": (
        lazy("Find out who can have the file, and have it deleted."),
        lazy("Seal exports to a key from now on."),
    ),
}


def surrenders(kind: str) -> str:
    return str(_SURRENDERS[kind])


# The same for a letter: what it means for her who reads it, in no word of the desk's.
_TO_HER: dict[str, str | Promise] = {
    "disk": lazy(
        "A copy of our data got out, but without its key. Your address and your name are encrypted in it: whoever has "
        "the copy cannot read them."
    ),
    "key": lazy(
        "Others may have read your e-mail address, your name, and what else you told us. They may also have sent "
        "letters in our name."
    ),
    "account": lazy(
        "Others got at the account of somebody who works with us. With it they may have seen your e-mail address and "
        "what else you told us, and may have sent letters in our name."
    ),
    "route": lazy(
        "Others got at the service that carries our letters. There they may have seen your e-mail address, and which "
        "letters you got and when. They may also have sent letters in our name."
    ),
    "export": lazy(
        "A file got out with the e-mail addresses of our readers, and with what else we know of them. Yours may be in "
        "it."
    ),
}


def first_steps(kind: str) -> list[str]:
    return [str(step) for step in _FIRST[kind]]


def counted(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(str(COUNTED[name]), count) for name, count in counts.items() if name in COUNTED]


def to_authority(breach: Breach, language: str) -> LegalDocument:
    """Article 33(3): what the notification says."""
    notice, facts = told_of(breach), facts_of(breach.organization)
    with override(language):
        contact = [facts.organization, facts.address, facts.unsubscribe_mailbox or facts.return_address]
        readers = _("Readers whose address can be read by others: about %(n)s.") % {
            "n": formatting.grouped(breach.counts.get("readers", 0))
        }
        counts = [f"- {word}: {formatting.grouped(count)}" for word, count in counted(breach.counts)]
        return LegalDocument(
            _("Notification of a personal data breach (article 33 GDPR)"),
            _("Draft. Complete it, and send it to the authority of the country where you are. It may follow in parts."),
            (
                Section(_("Who notifies"), tuple(" ".join(line.split()) for line in contact if line)),
                Section(_("When it was noticed"), (_moment(breach.noticed), *_late(breach))),
                Section(_("What has happened"), (str(KINDS[breach.kind]) + ".", notice.notes or _blank())),
                Section(_("Whose data, and how many"), (readers, *counts)),
                Section(_("What can follow from it"), (surrenders(breach.kind), _danger())),
                Section(_("What was done"), (notice.done or _blank(),)),
                Section(_("Whether readers are told"), (_whether(breach),)),
            ),
        )


def to_readers(breach: Breach, language: str) -> LegalDocument:
    """Article 34(2): in plain words what happened, what can follow, what is done, whom to ask."""
    notice, facts = told_of(breach), facts_of(breach.organization)
    with override(language):
        mailbox = facts.unsubscribe_mailbox or facts.return_address
        ask = _("Write to %(mailbox)s.") % {"mailbox": mailbox} if mailbox else _blank()
        return LegalDocument(
            _("Something happened to your data"),
            _("Draft. Say what you know, say what you do not know, and send it soon."),
            (
                Section(_("What has happened"), (notice.notes or _blank(), str(_TO_HER[breach.kind]))),
                Section(
                    _("What it can mean for you"),
                    (
                        _to_fear(breach.kind),
                        _("We never ask for passwords or for money to another account by mail."),
                    ),
                ),
                Section(_("What we have done"), (notice.done or _blank(),)),
                Section(
                    _("What you can do"),
                    (
                        _(
                            "If it is dangerous for you to be seen with us: leave by the link below, or have us erase "
                            "you."
                        ),
                        _(
                            "We do not know where you are or what you read: that is kept nowhere, so it cannot have "
                            "got out."
                        ),
                    ),
                ),
                Section(_("Whom you can ask"), (facts.organization, ask)),
            ),
        )


def _to_fear(kind: str) -> str:
    if kind in UNREADABLE:
        return _("Nobody can learn from it that you get our letters, as long as nobody has the key.")
    return _("Somebody may learn that you get our letters. Expect letters that pretend to come from us.")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _late(breach: Breach) -> tuple[str, ...]:
    if breach.told_authority and breach.told_authority <= deadline(breach):
        return ()
    return (
        _("If this goes out later than %(until)s: the reasons for the delay.") % {"until": _moment(deadline(breach))},
    )


def _blank() -> str:
    return _("[write here]")


def _danger() -> str:
    return _("Being on the list can show a political opinion (article 9); in some countries it can endanger people.")


def _whether(breach: Breach) -> str:
    if breach.kind in UNREADABLE:
        return _("Not by law: the data cannot be read without the key (article 34(3)(a)).")
    if breach.told_readers:
        return _("They were told on %(day)s.") % {"day": _moment(breach.told_readers)}
    return _("Yes, for the risk to them is high (article 34(1)).")
