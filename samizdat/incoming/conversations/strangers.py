"""How many conversations people begin: anybody may write, under any address, and whoever was forwarded an email of ours
with the token of somebody else."""

from datetime import UTC, datetime, timedelta

from samizdat.accounts.models import Organization
from samizdat.audience.models import row_id
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.queries import was_said
from samizdat.incoming.conversations import details
from samizdat.incoming.conversations.details import ConversationDetails
from samizdat.incoming.models import Conversation

LIMITED: EventKind = "inbox.limited"
DAY = timedelta(days=1)
# Conversations in a day (UTC) by the token of one subscriber, under one address, and of all who are no subscribers; how
# many of theirs may wait; and messages of one conversation in 24 hours that no token proves.
OF_TOKEN, OF_ADDRESS, OF_ALL, WAITING, IN_A_DAY = 20, 5, 300, 2_000, 20


def may_begin(organization: Organization, known: ConversationDetails, now: datetime) -> bool:
    """Whether they begin one more conversation today."""
    whose = row_id(organization.pk, known.number) if known.number else None
    rows = Conversation.objects.select_related("organization").filter(organization=organization, subscriber=whose)
    today = rows.filter(day=now.astimezone(UTC).date())
    if known.number:
        return today.count() < (OF_TOKEN if known.proof == "token" else OF_ADDRESS)
    if today.count() >= OF_ALL or rows.filter(state=Conversation.WAITING).count() >= WAITING:
        return False
    others = [other for row in today if (other := details.opened(row)) is not None]
    return sum(other.address.casefold() == known.address.casefold() for other in others) < OF_ADDRESS


def is_flooded(row: Conversation, now: datetime) -> bool:
    """Whether it takes no more messages today."""
    known = details.opened(row)
    if known is None or known.proof == "token":
        return False
    earlier = row.messages.order_by("-pk")[IN_A_DAY - 1 : IN_A_DAY].first()
    words = details.opened_message(row.organization, earlier) if earlier else None
    return words is not None and words.at > now - DAY


def set_aside(organization: Organization, now: datetime) -> None:
    """Notes, once a day, that a message got no place in the inbox."""
    if not is_limited(organization, now):
        record(LIMITED, organization, now=now)


def is_limited(organization: Organization, now: datetime) -> bool:
    """Whether that happened within a day."""
    return was_said(organization, LIMITED, now - DAY)
