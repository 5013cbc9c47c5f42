"""A database file that was copied while it was in use, and not by SQLite: its pages are of different instants.

Asked before a copy begins its work and again before it may send. On PostgreSQL no such copy opens.
"""

from django.db import DatabaseError, connection
from django.db.models import Count
from django.utils.translation import gettext as _

from samizdat.accounts import database_indexes
from samizdat.campaigns.models import Campaign, large
from samizdat.core.mail.ledger import STATES, State
from samizdat.delivery.errors import TornCopy
from samizdat.delivery.models import Delivery

# Of a campaign that goes on, what is counted in its row and by rows alike.
_COUNTED = (State.ACCEPTED, State.REFUSED, State.UNSURE)


def refuse() -> None:
    """Errors: TornCopy, with the tables that are not whole."""
    if connection.vendor != "sqlite":
        return
    try:
        tables = _damaged() or _dangling() or _miscounted()
    except DatabaseError:
        tables = {"sqlite_master"}
    if tables:
        sentence = _(
            "This copy of the database is damaged, since it was made while Samizdat was writing to it, so it can't be "
            "released. Damaged tables: %(tables)s. Stop Samizdat before you copy, or use a backup, and put that copy "
            "here."
        )
        raise TornCopy(sentence % {"tables": ", ".join(sorted(tables))})


def _damaged() -> set[str]:
    path = str(connection.settings_dict["NAME"])
    return {table.name for table in database_indexes.damaged(path, lambda: False) if not table.misshapen}


def _dangling() -> set[str]:
    """Tables with rows that belong to others which are not there."""
    with connection.cursor() as cursor:
        cursor.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_check')
        return {name for (name,) in cursor.fetchall()}


def _miscounted() -> set[str]:
    """Whether campaigns count other emails than there are rows of: one commit writes both."""
    campaigns = Campaign.objects.filter(state__in=("sending", "waiting", "paused"), edition__isnull=False)
    for campaign in campaigns.defer(*large()):
        rows = Delivery.objects.filter(edition__campaign=campaign).values_list("state")
        counts = dict(rows.annotate(count=Count("number")))
        if any(counts.get(state, 0) != getattr(campaign, STATES[state]) for state in _COUNTED):
            return {Campaign._meta.db_table, Delivery._meta.db_table}
    return set()
