"""What is kept of a move to another address, sending domain or server: from where to where, since when, and when each
of its steps was first seen done. How a step stands now is asked of the installation each time
(samizdat/moving/steps.py), so a move goes on wherever it was left, by whatever page or command.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.models import Move
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# Type, name and value of a DNS record.
type Publish = tuple[str, str, str]


class MoveRecord(Struct, frozen=True, omit_defaults=True):
    """old_url, new_url: of the public pages. old_domain, new_domain: that emails come from; "" where that stays.

    place: where the installation ran when the move began (moving/place.py); "" where it stays. done: step -> when it
    was first seen done. seen: what other people's servers said of a step when they were last asked, by its code;
    looked: when that was, and publish: what DNS lacked then. announcements: numbers of the campaigns that tell
    subscribers.
    """

    began: datetime
    old_url: str
    new_url: str
    old_domain: str = ""
    new_domain: str = ""
    place: str = ""
    done: dict[str, datetime] = {}
    seen: dict[str, str] = {}
    looked: datetime | None = None
    publish: tuple[Publish, ...] = ()
    announcements: tuple[int, ...] = ()
    ended: datetime | None = None


def of(organization: Organization) -> MoveRecord | None:
    """The last one, under way or ended; None where there was none, or where somebody without keys wrote it."""
    row = Move.objects.filter(organization=organization).first()
    return _opened(organization, row) if row else None


def under_way(organization: Organization) -> MoveRecord | None:
    move = of(organization)
    return move if move and move.ended is None else None


def _opened(organization: Organization, row: Move) -> MoveRecord | None:
    try:
        return keyring.keys(organization).open_json(bytes(row.sealed), "move", "sealed", row.pk, MoveRecord)
    except (SealError, RecordBroken):
        return None


def write(organization: Organization, move: MoveRecord) -> None:
    sealed = keyring.keys(organization).seal_json(move, "move", "sealed", organization.pk)
    Move.objects.update_or_create(organization=organization, defaults={"sealed": sealed})


def change(organization: Organization, changed: Callable[[MoveRecord], MoveRecord]) -> MoveRecord | None:
    """Of what is written now: somebody may be doing another step of it. None where none is under way."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        move = under_way(organization)
        if move is None:
            return None
        after = changed(move)
        if after != move:
            write(organization, after)
        return after


def announced_from(organization: Organization, campaign: int) -> str:
    """The former domain, where this campaign tells subscribers that emails come from another one; else ""."""
    move = of(organization)
    return move.old_domain if move and campaign in move.announcements else ""
