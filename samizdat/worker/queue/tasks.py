"""Background tasks. Arguments are row numbers only: the engines keep them in clear."""

from django.tasks import task

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.audience.actions import bulk
from samizdat.audience.errors import ImportRefused, ImportTaken
from samizdat.audience.imports import failures
from samizdat.audience.models import BulkAction, Import
from samizdat.incoming.evidence import uploaded
from samizdat.portability import actions as exporting
from samizdat.portability import upload
from samizdat.portability.account import upload as account_upload
from samizdat.portability.errors import ExportTaken
from samizdat.privacy import actions as rights
from samizdat.worker.queue.task_wrappers import alone, quiet
from samizdat.worker.stopping import stopping

# What knows uploads that are no files of subscribers.
UPLOADS = (upload, account_upload)


@task
@quiet
@alone
def run_import(number: int) -> None:
    """Brings in what stands in an import, from where it was left."""
    if failures.is_over(number, dbclock.now()):
        return
    try:
        run = next((kind.run for kind in UPLOADS if kind.is_one(number)), audience.run_import)
        run(number, now=dbclock.now, stop=stopping.is_set)
    except (ImportTaken, ImportRefused):
        return  # Somebody else is at it, or the import has written down why it stopped.
    finally:
        failures.is_over(number, dbclock.now())
    if stopping.is_set():
        # Nobody asked for it to stop but us: it goes on by itself when the house is up again.
        Import.objects.filter(id=number, state="stopped").update(state="waiting")


@task
@quiet
@alone
def inspect_import(number: int) -> None:
    """Looks through what was uploaded, before anything is written."""
    if failures.is_over(number, dbclock.now()):
        return
    try:
        inspect = next((kind.inspect for kind in (*UPLOADS, uploaded) if kind.is_one(number)), audience.inspect)
        inspect(number, now=dbclock.now)
    except (ImportTaken, ImportRefused):
        return
    finally:
        failures.is_over(number, dbclock.now())


@task
@quiet
@alone
def run_export(number: int) -> None:
    """Makes the file of an export that somebody asked for at the desk."""
    try:
        exporting.run(number, now=dbclock.now, stop=stopping.is_set)
    except ExportTaken:
        return


@task
@quiet
@alone
def run_bulk_work(number: int) -> None:
    """Goes on with what is done to many at once, from where it was left."""
    if BulkAction.objects.filter(id=number).exists():
        bulk.run(number, dbclock.now, stop=stopping.is_set)


@task
@quiet
@alone
def renew(number: int) -> None:
    """Goes on with a renewal of consent, from where it was left."""
    rights.work(number, dbclock.now, stopping.is_set)
