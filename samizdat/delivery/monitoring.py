"""Named reads for whoever watches the house: doctor, reports and metrics. Totals and machines, never a reader."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now

from samizdat import db, dbclock
from samizdat.campaigns.models import COUNTERS, Campaign, large
from samizdat.core.mail import rate
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import STATES, unpack_numbers
from samizdat.delivery import sql
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.engine.heartbeat import HUNG
from samizdat.delivery.engine.recovery import LOST, QUIET
from samizdat.delivery.models import Chunk, MinuteTotal, ProviderTotal, Retry, Route, RouteTotal, SchedulerStep, Worker
from samizdat.delivery.queries import barred_at

# A step of the clock that has not gone through for so long has not been tried, or does not succeed.
OVERDUE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A process that has not said goodbye. state: alive, hanging or dead. silent: seconds since its heartbeat.

    window: messages that it had on its way, of which nobody else knows what became. here: its journal is on this
    machine.
    """

    number: int
    role: str
    host: str
    state: str
    silent: float
    chunks: int
    window: int
    here: bool

    @property
    def until_lost(self) -> float:
        """Seconds until its machine counts as lost and its window is in doubt."""
        return max(0.0, LOST - self.silent)

    def document(self) -> dict[str, object]:
        return {
            "id": self.number,
            "role": self.role,
            "host": self.host,
            "state": self.state,
            "silent": round(self.silent),
            "chunks": self.chunks,
            "window": self.window,
            "here": self.here,
        }


def workers() -> list[WorkerRow]:
    return [_row(worker) for worker in Worker.objects.filter(ended=None).order_by("pk")]


def _row(worker: Worker) -> WorkerRow:
    here = bytes(worker.folder) == journal.folder_id()
    chunks = list(Chunk.objects.filter(worker=worker, state=Chunk.CLAIMED))
    state, silent = _state(worker, here)
    window = sum(window_of(chunk) for chunk in chunks) if state != "alive" else 0
    return WorkerRow(worker.pk, worker.role, worker.host, state, silent, len(chunks), window, here)


def _state(worker: Worker, here: bool) -> tuple[str, float]:
    if connection.vendor != "postgresql":
        return "alive" if worker.journal and journal.in_use(worker.journal) else "dead", 0.0
    silent = sql.silence(worker.pk)
    if locks.is_held(worker.pk):
        return "hanging" if silent >= HUNG else "alive", silent
    return "dead", silent


def window_of(chunk: Chunk) -> int:
    """Messages of a claimed chunk that may be on their way: handed to a slice, and without an answer."""
    left = sql.unanswered(chunk.edition_id, chunk.pk, chunk.retry, unpack_numbers(bytes(chunk.numbers)))
    return max(0, len(left) - (chunk.unsliced or 0))


def waits_for(campaign: Campaign) -> list[dict[str, object]]:
    """Machines that are gone and had messages of this campaign on their way: what it still waits for.

    One question that finds nothing, as long as all is well. On SQLite there is no other machine.
    """
    if connection.vendor != "postgresql":
        return []
    silent = Now() - timedelta(seconds=QUIET)
    chunks = Chunk.objects.filter(edition__campaign=campaign, state=Chunk.CLAIMED, worker__beat__lt=silent)
    windows: dict[int, int] = {}
    for chunk in chunks:
        windows[chunk.worker_id or 0] = windows.get(chunk.worker_id or 0, 0) + window_of(chunk)
    rows = [_row(worker) for worker in Worker.objects.filter(pk__in=windows).order_by("pk")]
    return [
        {
            "worker": row.number,
            "host": row.host,
            "messages": windows[row.number],
            "silent": round(row.silent),
            "in_doubt_in": round(row.until_lost),
            "minutes": -(-round(row.until_lost) // 60),
        }
        for row in rows
        if row.state != "alive" and windows[row.number]
    ]


def waits_for_route(campaign: Campaign, now: datetime) -> tuple[str, datetime] | None:
    """The route that a campaign on its way waits for, and until when: the first that takes its domain asked for so
    little patience that the next one is not used (engine/route_worker.py). None where something goes out.
    """
    if campaign.state != "sending":
        return None
    routes = Route.objects.filter(organization=campaign.organization_id, state__in=("live", "throttled"))
    barred = {"bars__domain": campaign.edition.message_id_domain}
    first = routes.exclude(**barred).order_by("priority", "pk").first()
    if first is None or first.state == "live" or first.reason not in rate.PATIENT or first.until is None:
        return None
    if not timedelta() < first.until - now <= timedelta(seconds=rate.LONG_WAIT):
        return None
    # One that asks twice in a row is passed over, which its sender alone knows: then others take messages.
    others = MinuteTotal.objects.filter(edition__campaign=campaign, minute__gt=first.changed).exclude(route=first)
    return None if others.exists() else (first.name, first.until)


def overdue() -> list[tuple[str, datetime | None, str]]:
    """Steps of the clock that have not gone through for a while: name, when they last did, where they broke."""
    before = dbclock.now() - OVERDUE
    rows = SchedulerStep.objects.filter(Q(done=None) | Q(done__lt=before) | ~Q(why="")).order_by("name")
    return [(row.name, row.done, row.why) for row in rows]


def last_step() -> datetime | None:
    """When the clock last wrote down that something went through."""
    row = SchedulerStep.objects.exclude(done=None).order_by("-done").first()
    return row.done if row else None


def leftover_journals() -> list[tuple[str, int]]:
    """Journals in this data folder that no living process holds: name and bytes."""
    names = {path.name.rpartition(".")[0] for path in journal.folder().glob("worker-*.*")}
    return [(name, sum(path.stat().st_size for path in journal.files(name))) for name in sorted(names) if _left(name)]


def _left(name: str) -> bool:
    return not journal.in_use(name)


def in_doubt() -> list[tuple[Campaign, int]]:
    """Campaigns with unsure messages that nobody has settled and nothing will."""
    rows = Campaign.objects.filter(unsure__gt=0, state__in=("sending", "waiting", "paused", "finished"))
    tried = {
        row["edition__campaign"]: row["count"]
        for row in Retry.objects.filter(edition__campaign__in=rows)
        .values("edition__campaign")
        .annotate(count=Count("number"))
    }
    return [(row, row.unsure) for row in rows.select_related("organization").defer(*large()) if not tried.get(row.pk)]


# --- metrics ---

Sample = tuple[str, dict[str, str], float]


def samples() -> list[Sample]:
    """(name, labels, value) of everything that is measured. Totals alone: no reader, no letter, no name of a list."""
    return [*_messages(), *_routes(), *_providers(), *_queue(), *_machines()]


def _messages() -> list[Sample]:
    sums = Campaign.objects.aggregate(**{name: Sum(name) for name in ("frozen", *COUNTERS)})
    metrics: list[Sample] = [("messages", {"state": name}, sums[name] or 0) for name in COUNTERS]
    states = Campaign.objects.filter(version_of=None).values_list("state").annotate(count=Count("id"))
    return [*metrics, *(("campaigns", {"state": state}, count) for state, count in states)]


def _routes() -> list[Sample]:
    totals: dict[int, dict[str, Any]] = {
        row["route"]: dict(row)
        for row in RouteTotal.objects.values("route").annotate(
            accepted=Sum("accepted"), refused=Sum("refused"), deferred=Sum("deferred"), unsure=Sum("unsure")
        )
    }
    metrics: list[Sample] = []
    routes = list(Route.objects.exclude(state="removed").order_by("pk"))
    barred = barred_at([route.pk for route in routes])
    for route in routes:
        labels = {"organization": str(route.organization_id), "route": route.name}
        metrics.append(("route_up", labels, route.state == "live"))
        for domain in sorted(barred.get(route.pk, ())):
            metrics.append(("route_barred", labels | {"domain": domain}, 1))
        for word in ("accepted", "refused", "deferred", "unsure"):
            metrics.append(("route_messages", labels | {"state": word}, totals.get(route.pk, {}).get(word) or 0))
    return metrics


def _providers() -> list[Sample]:
    rows = ProviderTotal.objects.values_list("provider", "state").annotate(count=Sum("count"))
    return [
        ("provider_messages", {"provider": PROVIDERS[provider], "state": STATES[state]}, count)
        for provider, state, count in rows
    ]


def _queue() -> list[Sample]:
    chunks = dict(Chunk.objects.exclude(state=Chunk.DONE).values_list("state").annotate(count=Count("id")))
    due = Retry.objects.filter(chunk=None, due__lte=dbclock.now()).count()
    metrics: list[Sample] = [
        ("chunks", {"state": "ready"}, chunks.get(Chunk.READY, 0)),
        ("chunks", {"state": "claimed"}, chunks.get(Chunk.CLAIMED, 0)),
        ("retries", {"state": "due"}, due),
        ("retries", {"state": "waiting"}, Retry.objects.filter(chunk=None).count() - due),
    ]
    return [*metrics, *(("engine_tasks", {"state": state}, count) for state, count in db.engine_tasks())]


def _machines() -> list[Sample]:
    counts: dict[tuple[str, str], int] = {}
    window = 0
    for row in workers():
        counts[row.role, row.state] = counts.get((row.role, row.state), 0) + 1
        window += row.window
    metrics: list[Sample] = [
        ("workers", {"role": role, "state": state}, count) for (role, state), count in sorted(counts.items())
    ]
    size = sum(path.stat().st_size for path in journal.folder().glob("worker-*.*"))
    now = dbclock.now()
    steps = SchedulerStep.objects.exclude(done=None).order_by("name")
    return [
        *metrics,
        ("window_messages", {}, window),
        ("journal_bytes", {}, size),
        ("clock_difference_seconds", {}, dbclock.ahead()),
        *(("step_age_seconds", {"step": row.name}, (now - row.done).total_seconds()) for row in steps if row.done),
    ]
