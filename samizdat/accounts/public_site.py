"""An organization as the public pages know it: carried to the public database when it is founded, changed or missing
there."""

from collections.abc import Callable
from urllib.parse import urlsplit

from samizdat.accounts.models import COLOR, DEFAULT_ACCENT, Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.publicdb.actions import PublicLook, is_here, publish_place

_proofs: list[Callable[[Organization, str], bool]] = []
_looks: list[Callable[[Organization], PublicLook]] = []


def register_proof(proves: Callable[[Organization, str], bool]) -> None:
    """Of whether a domain is an organization's own: delivery looks into DNS."""
    _proofs.append(proves)


def register_look(look: Callable[[Organization], PublicLook]) -> None:
    """Of how an organization's pages look: campaigns know its branding."""
    _looks.append(look)


def is_proven(organization: Organization, host: str) -> bool:
    return any(proves(organization, host) for proves in _proofs)


def host_of(organization: Organization) -> str:
    """The name under which its public pages are; "" for none."""
    kept = leading(organization)
    # Where the copy is gone its pages stay where the row says, or nobody could leave: they are the same under any host.
    return urlsplit(kept.public_url if kept.known else organization.public_url).hostname or ""


def sharing_host(organization: Organization) -> list[Organization]:
    """Others whose public pages are under the same name; of one of them nobody sees any. Names of this machine are
    everybody's."""
    host = host_of(organization)
    if not host or is_here(host):
        return []
    return [row for row in Organization.objects.exclude(pk=organization.pk) if host_of(row) == host]


def publish(organization: Organization) -> None:
    """May be repeated at any time. Call it after the commit: the public database is a database of its own."""
    kept = leading(organization)
    publish_place(
        bytes(organization.uid),
        host=host_of(organization),
        # Where the copy is gone its pages go on saying what they said, or readers met a group without a name.
        name=kept.name if kept.known else None,
        language=kept.language if kept.known else None,
        # In a style sheet: whatever the database holds, a color.
        accent=organization.accent if COLOR.fullmatch(organization.accent) else DEFAULT_ACCENT,
        unsubscribe_mailbox=kept.unsubscribe_mailbox if kept.known else None,
        hostile_state=kept.hostile_state if kept.known else None,
        zone=organization.timezone,
        former=(*kept.hosts, *kept.brought) if kept.known else None,
        look=next((look(organization) for look in _looks), PublicLook()),
    )
