"""Verbs of a move: it begins and ends, and its steps are noted as they come to be done. What each step needs is done by
the commands and pages that do it at other times too."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.actions import check_settings
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import moves
from samizdat.delivery.actions import domain_switch
from samizdat.delivery.errors import MoveRefused
from samizdat.delivery.moves import MoveRecord
from samizdat.events import queries as events
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.moving.place import place_now

# An installation that came here, by restore or otherwise, so lately did so for this move.
JUST_CAME = timedelta(days=7)
_CAME: EventKind = "installation.fenced"


def begin(
    organization: Organization,
    to: str,
    *,
    sending_domain: str = "",
    keeps_server: bool = False,
    now: datetime,
    by: Person | None = None,
) -> MoveRecord:
    """To these public pages; sending_domain: that emails come from afterwards. It changes nothing yet. The same again
    is the move that is under way. Errors: MoveRefused, AccountError."""
    kept, settings = leading(organization), {"public_url": to}
    check_settings(settings)
    if not to.strip():
        raise MoveRefused(_("Enter the address of the public pages, like https://letters.example.org."), "to", "no_url")
    new_url, old_domain = settings["public_url"], _domain_in_use(organization)
    new_domain = _domain(sending_domain) if sending_domain.strip() else ""
    if new_domain == old_domain:
        new_domain = ""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if (known := moves.under_way(organization)) is not None:
            if (known.new_url, known.new_domain) == (new_url, new_domain):
                return known
            sentence = _("A move to %(url)s is under way. End it first, then begin another one.")
            raise MoveRefused(sentence % {"url": known.new_url}, "to", "under_way")
        came = _came(organization, now)
        if new_url == kept.public_url and not new_domain and keeps_server:
            sentence = _("Nothing would change: the public pages are at %(url)s already.")
            raise MoveRefused(sentence % {"url": new_url}, "to", "no_change")
        move = MoveRecord(
            began=now,
            old_url=kept.public_url,
            new_url=new_url,
            old_domain=old_domain if new_domain else "",
            new_domain=new_domain,
            place="" if keeps_server else CAME if came else place_now(),
            done={"server": came} if came and not keeps_server else {},
        )
        moves.write(organization, move)
        detail = {"from": move.old_url, "to": new_url, **({"domain": new_domain} if new_domain else {})}
        record("move.begun", organization, now=now, by=by, detail=detail)
    return move


# In place of a place: it is here already.
CAME = "came"


def _came(organization: Organization, now: datetime) -> datetime | None:
    """When it came to this place, where that was lately."""
    event = events.last(organization, _CAME)
    return event.at if event and now - event.at < JUST_CAME else None


def _domain_in_use(organization: Organization) -> str:
    return next(iter(domain_switch.domains_in_use(organization)), "")


def _domain(text: str) -> str:
    """Errors: MoveRefused."""
    try:
        name = domain(normalize(f"postmaster@{text.strip().rstrip('.').removeprefix('@')}"))
    except BadAddress:
        name = ""
    if "." not in name or name.endswith("]"):
        sentence = _("This isn’t a domain. Enter the part of your sender address after the @, like lantern.example.")
        raise MoveRefused(sentence, "domain", "bad_domain")
    return name


def end(organization: Organization, *, now: datetime, by: Person | None = None) -> MoveRecord:
    """Nothing is undone. Errors: MoveRefused."""
    with transaction.atomic():
        move = moves.change(organization, lambda kept: structs.replace(kept, ended=now))
        if move is None:
            raise MoveRefused(_("No move is under way. Begin one: samizdat move --to URL"), None, "no_move")
        record("move.ended", organization, now=now, by=by, detail={"to": move.new_url})
    return move


def is_at(url: str, other: str) -> bool:
    """Whether both are at the same host."""
    return bool(urlsplit(url).hostname) and urlsplit(url).hostname == urlsplit(other).hostname
