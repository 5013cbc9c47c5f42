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
from samizdat.accounts import memberships
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.models import SUPPRESSION_REASONS, ConsentRecord, Suppression, row_id
from samizdat.campaigns.models import Campaign
from samizdat.delivery.models import MinuteTotal
from samizdat.events.actions import detail_of
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.privacy.legal_documents import LegalDocument, Section
from samizdat.privacy.models import Breach
from samizdat.privacy.settings import facts_of
from samizdat.vault import keyring

HOURS = 72

# Stored as these words; the order is that of the form.
KINDS: dict[str, str | Promise] = {
    "disk": lazy("A disk, a database or a backup was copied or lost, without the key file"),
    "key": lazy("The key file as well, or someone had root access to the running server"),
    "account": lazy("Someone’s password or open session in Samizdat"),
    "route": lazy("The password of a sending route, or a sending provider"),
    "export": lazy("A file that was exported without encryption"),
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
        "suppressions": Suppression.objects.filter(organization=organization, reason__in=SUPPRESSION_REASONS).count(),
        "letters": Campaign.objects.filter(organization=organization, version_of=None).count(),
        "people": len(memberships.valid(organization=organization)),
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
    shown = rows.filter(kind="subscribers.addresses_shown")
    numbers = {number for event in shown.iterator() for number in detail_of(event).get("numbers", ())}
    known = {row_id(organization.pk, number) for number in numbers}
    looked = len(known | {*rows.filter(kind__in=reading).values_list("about", flat=True)})
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
    return keyring.keys(breach.organization).open_json(breach.notes_sealed, "breach", "notes", breach.pk, BreachNotice)


def deadline(breach: Breach) -> datetime:
    """Until when the authority has to be told."""
    return breach.noticed + timedelta(hours=HOURS)


# -- drafts -----------------------------------------------------------------------------------------------------

COUNTED: dict[str, str | Promise] = {
    "subscribers": lazy("subscriber records"),
    "subscribed": lazy("of them subscribed now"),
    "records": lazy("consent records"),
    "suppressions": lazy("keyed hashes in the suppression list"),
    "letters": lazy("campaigns and drafts"),
    "people": lazy("teammates"),
    "opened": lazy("subscriber records viewed"),
    "changed": lazy("subscriber records changed"),
    "exports": lazy("exports made"),
    "released": lazy("campaigns sent or scheduled"),
    "handed": lazy("emails accepted"),
}

_SURRENDERS: dict[str, str | Promise] = {
    "disk": lazy(
        "Addresses, names, fields and drafts are encrypted and can’t be read without the key file. What can be "
        "read: numbers, statuses, days, languages and mailbox providers without names, published campaigns, names "
        "of organizations."
    ),
    "key": lazy(
        "Everything: addresses, names, fields, consent, notes, drafts, route passwords and signing keys. Emails "
        "could be sent in the name of the organization."
    ),
    "account": lazy("What this account may do: view subscribers one by one, write campaigns and, as an admin, export."),
    "route": lazy(
        "Addresses and contents of the emails that went through this route, at the moment of sending. Emails could "
        "be sent in the name of the organization. Not the list."
    ),
    "export": lazy("Addresses and everything else in the export, unencrypted."),
}

_FIRST: dict[str, tuple[str | Promise, ...]] = {
    "disk": (
        lazy("Check where the key file is stored, and whether it could have been taken too."),
        lazy("Change the passwords of the server and of your backup storage."),
    ),
    "key": (
        lazy("Take the server offline and set up a new installation on another one, with a new key."),
        lazy("Change the passwords of all sending routes at their providers."),
        lazy("Replace the DKIM keys under Domains, and remove the old records from DNS."),
    ),
    "account": (
        lazy("Remove this person under Team; after that, none of their sessions opens anything here."),
        lazy("Check below what the account did, and whether a campaign is waiting to be sent."),
    ),
    "route": (
        lazy("Change the password at the provider, then under Routes."),
        lazy("Check the provider’s own log for emails that aren’t yours."),
    ),
    "export": (
        lazy("Find out who may have the file, and have it deleted."),
        lazy("Encrypt exports to a key from now on."),
    ),
}


def surrenders(kind: str) -> str:
    return str(_SURRENDERS[kind])


# The same for a letter: what it means for whoever reads it, in no word of the desk's.
_TO_READER: dict[str, str | Promise] = {
    "disk": lazy(
        "A copy of our data leaked, but without its key. Your address and your name are encrypted in it: nobody "
        "can read them from that copy."
    ),
    "key": lazy(
        "Others may have read your email address, your name, and what else you told us. They may also have sent "
        "emails in our name."
    ),
    "account": lazy(
        "Others got access to the account of someone who works with us. They may have seen your email address and "
        "what else you told us, and may have sent emails in our name."
    ),
    "route": lazy(
        "Others got access to the service that sends our emails. They may have seen your email address, and which "
        "emails you got and when. They may also have sent emails in our name."
    ),
    "export": lazy(
        "A file leaked with the email addresses of our subscribers and what else we know about them. Yours may be "
        "in it."
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
        readers = _("Subscribers whose address others can read: about %(n)s.") % {
            "n": formatting.grouped(breach.counts.get("readers", 0))
        }
        counts = [f"- {word}: {formatting.grouped(count)}" for word, count in counted(breach.counts)]
        return LegalDocument(
            _("Notification of a personal data breach (article 33 GDPR)"),
            _("Draft. Complete it, and send it to the authority of your country. You can send it in parts."),
            (
                Section(_("Who notifies"), tuple(" ".join(line.split()) for line in contact if line)),
                Section(_("When it was noticed"), (_moment(breach.noticed), *_late(breach))),
                Section(_("What happened"), (str(KINDS[breach.kind]) + ".", notice.notes or _blank())),
                Section(_("Whose data, and how many"), (readers, *counts)),
                Section(_("Likely consequences"), (surrenders(breach.kind), _danger())),
                Section(_("What was done"), (notice.done or _blank(),)),
                Section(_("Whether subscribers are informed"), (_whether(breach),)),
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
            _("Draft. Say what you know and what you don’t know, and send it soon."),
            (
                Section(_("What happened"), (notice.notes or _blank(), str(_TO_READER[breach.kind]))),
                Section(
                    _("What this can mean for you"),
                    (
                        _to_fear(breach.kind),
                        _("We never ask by email for passwords, or for money to another account."),
                    ),
                ),
                Section(_("What we have done"), (notice.done or _blank(),)),
                Section(
                    _("What you can do"),
                    (
                        _(
                            "If it’s dangerous for you to be linked to us: unsubscribe with the link below, or ask "
                            "us to erase your data."
                        ),
                        _(
                            "We don’t know where you are or what you read: we don’t store that, so it can’t have "
                            "leaked."
                        ),
                    ),
                ),
                Section(_("Who you can ask"), (facts.organization, ask)),
            ),
        )


def _to_fear(kind: str) -> str:
    if kind in UNREADABLE:
        return _("As long as nobody has the key, nobody can learn from the copy that you get our emails.")
    return _("Someone may learn that you get our emails. Watch for emails that pretend to come from us.")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _late(breach: Breach) -> tuple[str, ...]:
    if breach.told_authority and breach.told_authority <= deadline(breach):
        return ()
    return (_("If this is sent after %(until)s: the reasons for the delay.") % {"until": _moment(deadline(breach))},)


def _blank() -> str:
    return _("[write here]")


def _danger() -> str:
    return _("Being on the list can reveal a political opinion (article 9); in some countries it can endanger people.")


def _whether(breach: Breach) -> str:
    if breach.kind in UNREADABLE:
        return _("Not required by law: the data can’t be read without the key (article 34(3)(a)).")
    if breach.told_readers:
        return _("They were told on %(day)s.") % {"day": _moment(breach.told_readers)}
    return _("Yes: the risk to them is high (article 34(1)).")
