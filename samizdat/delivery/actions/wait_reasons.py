"""Why a campaign that is on its way sends nothing now, and until when: no route lives or takes its domain, quiet hours,
its first wave, a limit that is used up. Looked at twice a second by every sender; all read the same rows and agree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.campaigns.models import Campaign
from samizdat.core.mail import rate, retry_schedule
from samizdat.delivery.actions import ab_test, rate_budgets
from samizdat.delivery.errors import WrongPace
from samizdat.delivery.models import Chunk, Route
from samizdat.delivery.sending_row import SendingRow
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind

# What follows a first wave may not be claimed before this: it is opened when the wave has passed.
LATER = retry_schedule.LATER
# Quiet hours begin so much earlier for senders: what is in flight then has its answer in time. They end on time.
EARLY = timedelta(seconds=2)
# A limit that is free again sooner than this is waited for without a word.
SOON = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class WaitReason:
    """A code of why nothing leaves, and until when; None: until somebody does something."""

    reason: str
    until: datetime | None = None


def hold_of(row: SendingRow, no_way: str, spent: Callable[[], WaitReason | None], now: datetime) -> WaitReason | None:
    """no_way: "no_route" where none lives, "barred" where none of
    those takes letters from its domain, else "". None: it may send.
    """
    if no_way:
        return WaitReason(no_way)
    return quiet_of(row, now) or _wave(row, now) or _test(row, now) or spent()


def quiet_of(row: SendingRow, now: datetime) -> WaitReason | None:
    """Quiet hours of the campaign, or those of its organization."""
    quiet = rate.parse_quiet(row["quiet_hours"] or row["organization__quiet_hours"])
    if quiet is None:
        return None
    zone = ZoneInfo(quiet.zone or row["organization__timezone"])
    until = quiet.until(now.astimezone(zone)) or quiet.until((now + EARLY).astimezone(zone))
    return WaitReason("quiet", until.astimezone(UTC)) if until else None


def read_quiet(text: str) -> str:
    """Quiet hours as they are kept; "" for none. Errors: WrongPace."""
    try:
        quiet = rate.parse_quiet(text)
    except rate.BadRate as bad:
        raise WrongPace(_(bad.sentence).format(**bad.values), "quiet") from bad
    if quiet is not None and quiet.zone and quiet.zone not in available_timezones():
        sentence = _("There is no time zone called %(zone)s. Enter one like Europe/Riga.")
        raise WrongPace(sentence % {"zone": quiet.zone}, "quiet")
    return str(quiet) if quiet else ""


# --- the first wave ---


def _wave(row: SendingRow, now: datetime) -> WaitReason | None:
    """running -> held -> done; stopped when too many were refused; passed when a person lets the rest go."""
    state = row["canary_state"]
    if state == "running":
        return _while_it_runs(row, now)
    if state == "held":
        assert row["canary_until"] is not None
        if now < row["canary_until"]:
            return WaitReason("wave", row["canary_until"])
        return _stop(row, now) if _refused(row, over=True) else _open_rest(row, now)
    return _open_rest(row, now) if state == "passed" else None


def _refused(row: SendingRow, over: bool) -> bool:
    return rate.too_many_refused(row["accepted"], row["refused"], row["canary_stop"], over)


def _while_it_runs(row: SendingRow, now: datetime) -> WaitReason | None:
    if _refused(row, over=False):
        return _stop(row, now)
    wave = Chunk.objects.filter(edition=row["edition__id"], wave=1, state__in=(Chunk.READY, Chunk.CLAIMED))
    if wave.exists():
        return None
    until = now + timedelta(minutes=row["canary_hold"])
    _step(row, "running", now, "campaign.wave_sent", canary_state="held", canary_until=until)
    return WaitReason("wave", until)


def _stop(row: SendingRow, now: datetime) -> WaitReason:
    """Paused, so that a person looks at the answers. Resumed, the rest goes."""
    paused = {"state": "paused", "reason": "refusals", "waits_until": None}
    _step(row, row["canary_state"], now, "campaign.wave_stopped", canary_state="stopped", **paused)
    return WaitReason("refusals")


def _open_rest(row: SendingRow, now: datetime) -> WaitReason | None:
    """Killed in the middle it is done again: the state changes last."""
    _open_chunks(row)
    _step(row, row["canary_state"], now, "campaign.wave_passed", canary_state="done", canary_until=None)
    return None


def _open_chunks(row: SendingRow) -> None:
    """In slices, since there can be many thousands."""
    rest = Chunk.objects.filter(edition=row["edition__id"], not_before=LATER)
    while page := list(rest.values_list("pk", flat=True)[:1000]):
        Chunk.objects.filter(pk__in=page).update(not_before=None)


def _test(row: SendingRow, now: datetime) -> WaitReason | None:
    """A test of versions: the rest waits for the one that wins."""
    waits, until, decided = ab_test.waits_for(row, now) if row["test_state"] else (False, None, False)
    if decided:
        _open_chunks(row)
        Campaign.objects.filter(pk=row["id"], test_state="decided").update(test_state="done", changed=now)
    if not waits:
        return None
    return WaitReason("test", until) if until else WaitReason("test_hand")


def _step(row: SendingRow, old: str, now: datetime, kind: EventKind, **new: object) -> None:
    with transaction.atomic():
        mine = Campaign.objects.filter(pk=row["id"], canary_state=old, state__in=("sending", "waiting"))
        if mine.update(changed=now, **new):
            campaign = Campaign.objects.select_related("organization").get(pk=row["id"])
            record(kind, campaign.organization, now=now, about=campaign.pk)


# --- limits ---


def all_spent(organization: int, now: datetime, domain: str = "") -> WaitReason | None:
    """Every route that lives and takes letters from this domain has used its limit or its share of the day: until the
    first of them may send again.
    """
    rows = Route.objects.filter(organization=organization, state="live").exclude(bars__domain=domain)
    rows = rows.select_related("organization")
    ends = [rate_budgets.spent_until(route, now) for route in rows]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    until, why = min(known)
    return WaitReason(why, until) if until - now > SOON else None
