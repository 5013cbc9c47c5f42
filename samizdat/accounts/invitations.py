"""Invitations: written with a MAC (row_macs.py), and open where it fits and nobody used or ended them."""

from datetime import datetime

from samizdat.accounts import row_macs, sealed_settings
from samizdat.accounts.models import Invitation, Organization


def sign(row: Invitation) -> None:
    row.mac = row_macs.mac(*row_macs.of_invitation(row))
    row.save(update_fields=["mac"])


def is_valid(row: Invitation) -> bool:
    fits = row_macs.fits(row.mac, *row_macs.of_invitation(row))
    return fits and not sealed_settings.has_ended(row.organization, f"invitation {row.pk}")


def end(organization: Organization, number: int, now: datetime) -> bool:
    """It opens nothing any more, whatever its row says; whether it could be used until now. The row is the lock: of two
    who press at once one finds it used. In the caller's transaction."""
    mine = Invitation.objects.filter(pk=number, organization=organization, used=False)
    expires = mine.values_list("expires", flat=True).first()
    if expires is None or not mine.update(used=True, mac=b""):
        return False
    sealed_settings.note_ended(organization, f"invitation {number}", expires, now)
    return True
