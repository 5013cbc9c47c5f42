"""The away text: subscribers who write between two days get it, each once a week. RFC 3834: never to lists, bounces or
anything that a program wrote (core/bounce/reply_content.may_be_answered), and never to who isn't subscribed, since
anybody can write under the address of somebody else."""

from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts.models import Organization, Person
from samizdat.audience.actions.mail_quota import WANT_NO_MAIL
from samizdat.audience.queries import suppression_of
from samizdat.core.bounce.report import ReplyContent
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.events.actions import record
from samizdat.incoming.conversations import details
from samizdat.incoming.conversations.details import ConversationDetails, MessageDetails
from samizdat.incoming.errors import ConversationRefused
from samizdat.incoming.models import AwayReply, AwayText, Conversation, ConversationMessage
from samizdat.vault import keyring

# RFC 3834, 2: the same sender is not answered again for so long.
AGAIN = timedelta(days=7)
# In all of an organization: who writes under many addresses has no more of its mail sent.
MOST_A_WEEK = 5_000
LONGEST = 4_000


class AwaySettings(Struct, frozen=True):
    """From the first day to the last one, both by the clock of the organization; without a text nothing is sent."""

    text: str = ""
    first: date | None = None
    last: date | None = None

    def holds(self, today: date) -> bool:
        return bool(self.text and self.first and self.last and self.first <= today <= self.last)


def settings_of(organization: Organization) -> AwaySettings:
    row = AwayText.objects.filter(organization=organization).first()
    keys = keyring.keys(organization)
    return keys.open_json(row.sealed, "away text", "sealed", organization.pk, AwaySettings) if row else AwaySettings()


def choose(organization: Organization, settings: AwaySettings, *, now: datetime, by: Person) -> None:
    """Errors: ConversationRefused."""
    if settings.text and (settings.first is None or settings.last is None or settings.last < settings.first):
        raise ConversationRefused(_("Choose the first and the last day, in this order."))
    if len(settings.text) > LONGEST:
        raise ConversationRefused(_("This text is too long: at most %(n)s characters. Shorten it.") % {"n": LONGEST})
    sealed = keyring.keys(organization).seal_json(settings, "away text", "sealed", organization.pk)
    with transaction.atomic():
        AwayText.objects.update_or_create(organization=organization, defaults={"sealed": sealed})
        record("inbox.away_changed", organization, now=now, by=by, detail={"on": bool(settings.text)})


def bring(organization: Organization, text: str) -> None:
    """A text of another installation, without its days: somebody chooses here when it answers. Not over one that is
    here."""
    if text and not AwayText.objects.filter(organization=organization).exists():
        sealed = keyring.keys(organization).seal_json(AwaySettings(text), "away text", "sealed", organization.pk)
        AwayText.objects.create(organization=organization, sealed=sealed)


def is_away(organization: Organization, now: datetime) -> AwaySettings | None:
    settings = settings_of(organization)
    return settings if settings.holds(organization.day_of(now)) else None


def answer(row: Conversation, known: ConversationDetails, content: ReplyContent, now: datetime) -> None:
    """Has the away text sent, where it is due. In the transaction that takes the message up."""
    organization = row.organization
    if not (known.number and content.may_be_answered) or known.wants_to_leave:
        return
    settings = is_away(organization, now)
    if settings is None or not _may_mail(organization, known.address) or not _is_first(organization, known, now):
        return
    words = MessageDetails(
        row.pk,
        ConversationMessage.AWAY,
        now.astimezone(UTC),
        settings.text,
        references=(*content.references, content.message_id) if content.message_id else content.references,
        mark=details.new_mark(row),
    )
    details.add(row, words, outgoing=ConversationMessage.DUE)


def _may_mail(organization: Organization, address: str) -> bool:
    try:
        return suppression_of(organization, address) not in WANT_NO_MAIL
    except BadAddress:
        return False


def _is_first(organization: Organization, known: ConversationDetails, now: datetime) -> bool:
    """Whether they got none within a week. The mark says nothing without the key, and goes after that week."""
    today = now.astimezone(UTC).date()
    lately = AwayReply.objects.filter(organization=organization, day__gt=today - AGAIN)
    mark, *formers = keyring.keys(organization).blinds(f"away\0{comparable(normalize(known.address))}")
    if lately.filter(mark__in=[mark, *formers]).exists() or lately.count() >= MOST_A_WEEK:
        return False
    AwayReply.objects.update_or_create(organization=organization, mark=mark, defaults={"day": today})
    return True


def forget(now: datetime) -> None:
    AwayReply.objects.filter(day__lte=now.astimezone(UTC).date() - AGAIN).delete()
