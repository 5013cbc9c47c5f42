"""Whether the same export came in before, or had begun to; and whether anybody is in its place."""

import os
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from samizdat.audience.bringing import owner, uploads
from samizdat.audience.errors import ImportTaken
from samizdat.audience.exporting import besides, reading
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.models import ConsentRecord, Import, Subscriber
from samizdat.core import seal
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

SOURCE = "samizdat"


def fingerprint(organisation: Any, opened: reading.Opened) -> bytes:
    """Keyed, because a hash of a known export would prove that this house has it."""
    keys = house.keys(organisation)
    told = ",".join(f"{name}:{of['sha256']}" for name, of in sorted(opened.manifest["files"].items()))
    return seal.keyed_hash(keys.index[keys.index_version], f"returned:{told}")


def done_before(organisation: Any, mark: bytes) -> dict[str, int] | None:
    row = Import.objects.filter(organisation=organisation, source=SOURCE, fingerprint=mark, state="finished").first()
    if row is None:
        return None
    return {**row.counts, "added": 0, "unchanged": row.counts["rows"]}


def begun_before(organisation: Any, mark: bytes, now: datetime) -> Import | None:
    """One of the same export that was killed or stopped. Of the desk's own the file may be gone after a day, and what
    came in by then waits for the same file to be given again. Errors: ImportTaken."""
    rows = Import.objects.filter(organisation=organisation, source=SOURCE, fingerprint=mark)
    rows = rows.filter(Q(state="running") | Q(state__in=("waiting", "stopped", "failed"), row__gt=0))
    for row in rows.order_by("-id"):
        if owner.is_alive(row, now):
            raise ImportTaken
        return row
    return None


def take_over(begun: Import, row: Import) -> None:
    """What was begun goes on under the number of a new upload."""
    keys = house.keys(row.organisation)
    told = open_json(keys, row.plan_sealed, "import", "plan", row.pk)
    told["places"] = places_of(begun)
    done = {
        "plan_sealed": seal_json(keys, told, "import", "plan", row.pk), "counts": begun.counts, "row": begun.row,
        "fingerprint": bytes(begun.fingerprint), "list": begun.list_id, "rows_total": begun.rows_total,
    }  # fmt: skip
    with transaction.atomic():
        left = Import.objects.filter(pk=begun.pk, owner=begun.owner)
        if not left.update(state="failed", problem="gone_on", fingerprint=os.urandom(32), row=0):
            raise ImportTaken
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken
        besides.take_over(begun, row)


def places_of(row: Import) -> dict[str, Any] | None:
    """Number in the file -> number here, of lists, fields, tags and keys; None where it has not begun."""
    told = open_json(house.keys(row.organisation), row.plan_sealed, "import", "plan", row.pk) or {}
    places: dict[str, Any] | None = told.get("places")
    return places


def finish_unchanged(row: Import, counts: dict[str, int], now: datetime) -> None:
    """The same export came in before: nothing is left to do."""
    done = {"state": "finished", "owner": "", "problem": "", "finished": now, "counts": counts}
    with transaction.atomic():
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken
        uploads.drop(row)


def insist_on_nobody(organisation: Any) -> None:
    """Numbers of the file must not meet those of anybody, nor of somebody whose consent is still on record."""
    if (
        Subscriber.objects.filter(organisation=organisation).exists()
        or ConsentRecord.objects.filter(organisation=organisation).exists()
    ):
        sentence = _(
            "An export comes back into an organisation that never had a subscriber. Found a new one, or export there "
            "in Mailchimp’s layout and bring that into a list."
        )
        raise ExportRefused("not_empty", sentence)
