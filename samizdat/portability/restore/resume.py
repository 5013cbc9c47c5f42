"""Whether the same export came in before, or had begun to; and whether anybody is in its place."""

import os
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import how_many
from samizdat.audience.errors import ImportTaken
from samizdat.audience.imports import ownership, uploads
from samizdat.audience.imports.documents import sealed
from samizdat.audience.models import ConsentRecord, Import, Subscriber
from samizdat.core.crypto import seal
from samizdat.portability import read
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import base
from samizdat.portability.restore.documents import read_plan
from samizdat.vault import keyring

SOURCE = "samizdat"


def fingerprints(organization: Organization, opened: read.OpenedExport) -> list[bytes]:
    """Under every index key, the current one first. Keyed, because a hash of a known export would prove that this
    house has it."""
    keys = keyring.keys(organization)
    checksums = ",".join(f"{name}:{of['sha256']}" for name, of in sorted(opened.manifest["files"].items()))
    return [seal.keyed_hash(keys.index[version], f"returned:{checksums}") for version in keys.versions]


def done_before(organization: Organization, marks: Sequence[bytes]) -> dict[str, int] | None:
    row = Import.objects.filter(
        organization=organization, source=SOURCE, fingerprint__in=marks, state="finished"
    ).first()
    if row is None:
        return None
    return {**row.counts, "added": 0, "unchanged": row.counts["rows"]}


def imported_export(organization: Organization) -> Import | None:
    """The one that came in whole."""
    return Import.objects.filter(organization=organization, source=SOURCE, state="finished").order_by("-id").first()


def begun_before(organization: Organization, marks: Sequence[bytes], now: datetime) -> Import | None:
    """One of the same export that was killed or stopped. Of the desk's own the file may be gone after a day, and what
    came in by then waits for the same file to be given again. Errors: ImportTaken."""
    rows = Import.objects.filter(organization=organization, source=SOURCE, fingerprint__in=marks)
    rows = rows.filter(Q(state="running") | Q(state__in=("waiting", "stopped", "failed"), row_no__gt=0))
    for row in rows.order_by("-id"):
        if ownership.is_alive(row, now):
            raise ImportTaken
        return row
    return None


def take_over(begun: Import, row: Import) -> None:
    """What was begun goes on under the number of a new upload."""
    plan = replace(read_plan(row), places=read_plan(begun).places, place=read_plan(begun).place)
    done = {
        **sealed(row, "plan", plan), "counts": begun.counts, "row_no": begun.row_no,
        "fingerprint": bytes(begun.fingerprint), "list": begun.list_id, "rows_total": begun.rows_total,
    }  # fmt: skip
    base.copy_places(begun, row)
    with transaction.atomic():
        left = Import.objects.filter(pk=begun.pk, owner=begun.owner)
        if not left.update(state="failed", problem="gone_on", fingerprint=os.urandom(32), row_no=0):
            raise ImportTaken
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken
        begun.places.all().delete()


def finish_unchanged(row: Import, counts: dict[str, int], now: datetime) -> None:
    """The same export came in before: nothing is left to do."""
    done = {"state": "finished", "owner": "", "problem": "", "finished": now, "counts": counts}
    with transaction.atomic():
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken
        uploads.drop(row)


def insist_on_nobody(organization: Organization) -> None:
    """Numbers of the file must not meet those of anybody, nor of somebody whose consent is still on record. Rows can be
    moved away for a moment, and whoever made the file would know the keys that it brings: the sealed count says as
    well whether there ever was anybody. Errors: ExportRefused."""
    if (
        how_many(organization, "readers") != 0
        or Subscriber.objects.filter(organization=organization).exists()
        or ConsentRecord.objects.filter(organization=organization).exists()
    ):
        sentence = _(
            "An export can only be restored into an organization that never had a subscriber. Create a new one, or "
            "export there in Mailchimp’s layout and import that into a list."
        )
        raise ExportRefused("not_empty", sentence)
