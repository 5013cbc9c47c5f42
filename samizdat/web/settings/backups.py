"""What the page *Backups* says of each place."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting, plugins
from samizdat.accounts.models import Organization
from samizdat.backup.restore_test import records
from samizdat.backup.restore_test.sentences import sentence as test_sentence
from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places, backup_progress
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceBroken
from samizdat.delivery.backup_progress import PlaceProgress
from samizdat.delivery.backup_standing import BackupStanding, past, place_standing
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.vault.errors import VaultError
from samizdat.web.templatetags.desk import count, moment

# A test each week, and some days more.
TEST_LATE = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class BackupPlaceView:
    """state, word: how it is. problems: what to do, each with its kind. work: what goes on now; goes_on: whether the
    page asks again."""

    number: int
    name: str
    state: str
    word: str
    problems: list[tuple[str, str]]
    work: str = ""
    goes_on: bool = False
    is_broken: bool = False
    newest: CopyDetails | None = None
    is_full: bool = False
    copies: int = 0
    changes: str = ""
    tested: str = ""
    test_state: str = "none"
    kept: str = ""
    speed: float = 0.0
    keys: int = 0
    append_only: bool = False


def places(organization: Organization, now: datetime) -> list[BackupPlaceView]:
    """Tests are read in the log of this organization, which has those of all places."""
    return [
        _broken(each) if isinstance(each, PlaceBroken) else _view(organization, each, now)
        for each in backup_places.all_places()
    ]


def name_of(kept: KeptPlace) -> str:
    """Where it is, without credentials."""
    try:
        return str(getattr(plugins.open_place(kept.details.url, kept.details.secret), "where", kept.details.url))
    except plugins.PlaceError:
        return kept.details.url.partition("?")[0]


def _broken(place: PlaceBroken) -> BackupPlaceView:
    text = _("Its record was changed in the database, or belongs to another key. Remove it and add it again.")
    name = _("Place %(number)s") % {"number": place.number}
    return BackupPlaceView(place.number, name, "stop", _("Can’t be opened"), [("stop", text)], is_broken=True)


def _view(organization: Organization, kept: KeptPlace, now: datetime) -> BackupPlaceView:
    details, standing = kept.details, place_standing(kept, now)
    copies = past(backup_places.copies(kept.number), now)
    work = backup_progress.progress(kept.number, now)
    newest = copies[0] if copies else None
    tested, test_state, problems = _test(organization, kept, newest, now)
    state, word = "good", _("Up to date")
    if kept.state.failures:
        state, word = ("care" if standing.level == "ok" else "stop"), _("Failing")
        # Of a place that fails: its own sentence, which says what to do.
        problems.insert(0, (state, _error(kept)))
    elif standing.level != "ok":
        state, word = ("care" if standing.level == "amber" else "stop"), _("Late")
        text = _(
            "The nightly backup wasn’t made. Press “Back up now”. If nothing happens, ask your server admin to run: "
            "samizdat doctor"
        )
        problems.insert(0, (state, text))
    elif newest is None:
        state, word = "none", _("No backup yet")
    elif test_state == "stop":
        state, word = "stop", _("Restore test failed")
    elif test_state == "care":
        state, word = "care", _("Not tested yet")
    if newest is not None and backup_places.of_former_key(newest):
        text = _("The newest backup opens with the former key file alone. Press “Back up now”.")
        problems.append(("care", text))
    if work.tail_failing and newest:
        text = _("Changes since the newest backup can’t be written there since %(at)s.")
        problems.append(("care", text % {"at": moment(work.tail_failing)}))
    if kept.state.undeleted:
        text = ngettext(
            "%(n)s old backup couldn’t be deleted. Erased people are still in it, encrypted. Delete it there.",
            "%(n)s old backups couldn’t be deleted. Erased people are still in them, encrypted. Delete them there.",
            kept.state.undeleted,
        )
        problems.append(("care", text % {"n": count(kept.state.undeleted)}))
    if work.is_unanswered(now):
        text = _("The worker hasn’t begun. Ask your server admin to run: samizdat doctor")
        problems.append(("stop", text))
    return BackupPlaceView(
        number=kept.number,
        name=name_of(kept),
        state=state,
        word=word,
        problems=problems,
        work=_work(work),
        goes_on=bool(work.doing or work.asked),
        newest=newest,
        is_full=newest is not None and newest.kind == FULL,
        copies=len(copies),
        changes=_changes(work),
        tested=tested,
        test_state=test_state,
        kept=_kept(kept),
        speed=details.bytes_per_second / 1_000_000,
        keys=len(details.recipients),
        append_only=details.append_only,
    )


def _error(kept: KeptPlace) -> str:
    sentence = plugins.place_sentence(kept.state.code)
    return _(sentence).format(**kept.state.values) if sentence else kept.state.error


def _work(work: PlaceProgress) -> str:
    facts = {"done": count(work.rows_done), "all": count(work.rows_total)}
    if work.doing:
        is_test, is_known = work.doing == "test", work.rows_total and work.rows_done
        if is_test and is_known:
            return _("Testing whether it restores: %(done)s of about %(all)s rows.") % facts
        if is_test:
            return _("Testing whether it restores.")
        return _("Backing up: %(done)s of about %(all)s rows.") % facts if is_known else _("Backing up.")
    if "backup" in work.asked:
        return _("A backup begins in a moment, or when another one has finished.")
    return _("A restore test begins in a moment, or when another one has finished.") if work.asked else ""


def _changes(work: PlaceProgress) -> str:
    if work.tail_written:
        return _("written within seconds; the last at %(at)s") % {"at": moment(work.tail_written)}
    return _("none yet")


def _kept(kept: KeptPlace) -> str:
    details = kept.details
    newest = [
        ngettext("%(n)s day", "%(n)s days", details.daily) % {"n": details.daily} if details.daily else "",
        ngettext("%(n)s week", "%(n)s weeks", details.weekly) % {"n": details.weekly} if details.weekly else "",
        ngettext("%(n)s month", "%(n)s months", details.monthly) % {"n": details.monthly} if details.monthly else "",
    ]
    facts = {"periods": ", ".join(filter(None, newest)), "days": details.days}
    if not facts["periods"]:
        return _("only the newest")
    return _("one for each of the last %(periods)s; none older than %(days)s days") % facts


def _test(
    organization: Organization, kept: KeptPlace, newest: CopyDetails | None, now: datetime
) -> tuple[str, str, list[tuple[str, str]]]:
    """What the last test found, its state, and what to do."""
    try:
        event = records.last(organization, kept.details.url)
    except VaultError:
        event = None
    if event is None:
        return _("not yet"), "none", []
    if event.kind == records.FAILED:
        detail = detail_of(event)
        text = test_sentence(str(detail.get("code", "")), str(detail.get("what", "")))
        # One that was made since then may be whole.
        state = "care" if newest and detail.get("copy") not in ("", newest.path) else "stop"
        return _("failed, %(at)s") % {"at": moment(event.at)}, state, [(state, text)]
    problems = list[tuple[str, str]]()
    if newest and now - event.at > TEST_LATE:
        problems.append(("care", _("No restore test for more than a week. Press “Test the newest backup”.")))
    return _passed(event), "good", problems


def _passed(event: Event) -> str:
    detail: Any = detail_of(event)
    facts = {
        "at": moment(event.at),
        "rows": formatting.grouped(int(detail.get("facts", {}).get("rows", 0))),
        "seconds": count(max(1, round(float(detail.get("seconds", 0))))),
    }
    if not detail.get("opened"):
        known = detail.get("facts", {})
        if known.get("checked") != known.get("pieces"):
            return _("all files are there, %(at)s; only their keys can open them") % facts
        return _("all files are there and unchanged, %(at)s; only their keys can open them") % facts
    if locked := int(detail.get("facts", {}).get("locked", 0)):
        facts["locked"] = count(locked)
        return (
            _(
                "passed, %(at)s: %(rows)s rows restored in %(seconds)s s; of locked organizations (%(locked)s), the "
                "log, consent records and emails couldn’t be checked"
            )
            % facts
        )
    return _("passed, %(at)s: %(rows)s rows restored in %(seconds)s s") % facts


def fact(standing: BackupStanding, now: datetime) -> tuple[str, str]:
    """For Home: shape and words."""
    if standing.code == "no_place":
        return "none", _("no backups yet")
    newest = max((place.last for place in standing.places if place.last), default=None)
    shape = {"ok": "good", "amber": "care", "red": "stop"}[standing.level]
    if newest is None:
        return ("none" if shape == "good" else shape), _("no backup made yet")
    return shape, _("newest backup: %(at)s") % {"at": moment(newest)}
