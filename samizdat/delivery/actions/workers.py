"""What a person does about a machine that is gone."""

from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from samizdat.delivery import sql
from samizdat.delivery.engine import journal, locks, recovery
from samizdat.delivery.engine.heartbeat import HUNG
from samizdat.delivery.errors import NoSuchWorker, StillRuns
from samizdat.delivery.models import Chunk, Worker
from samizdat.delivery.monitoring import window_of


def forget(number: int, *, now: datetime) -> int:
    """This process will not come back: what it had on its way is in doubt, and held. How many messages that may be.

    Errors: NoSuchWorker, StillRuns.
    """
    worker = Worker.objects.filter(pk=number, ended=None).first()
    if worker is None:
        raise NoSuchWorker(_("There is no worker No. %(number)s. See: samizdat worker ls") % {"number": number})
    if _runs(worker):
        raise StillRuns(
            _("Worker No. %(number)s is running. Stop it where it runs, then run this command again.")
            % {"number": number}
        )
    held = sum(window_of(chunk) for chunk in Chunk.objects.filter(worker=worker, state=Chunk.CLAIMED))
    Worker.objects.filter(pk=number).update(forgotten=True)
    if connection.vendor == "postgresql":
        locks.cut_off(number)
    recovery.recover_dead(now)
    return held


def _runs(worker: Worker) -> bool:
    if bytes(worker.folder) == journal.folder_id() and worker.journal and journal.in_use(worker.journal):
        return True
    return connection.vendor == "postgresql" and locks.is_held(worker.pk) and sql.silence(worker.pk) < HUNG
