"""The public pages of organizations whose keys were destroyed say sorry."""

from datetime import datetime

from samizdat.publicdb import actions as publicdb
from samizdat.vault import locks


def look(now: datetime) -> None:
    """Each ten seconds. Also where somebody has put older pages back."""
    for row in locks.destroyed():
        publicdb.close_place(bytes(row.organization.uid))
