"""What is found about the ways back: shares of the key on paper, and the places that hold backups."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.backup.restore_test import records
from samizdat.backup.restore_test.sentences import sentence as test_sentence
from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import KeptPlace, PlaceBroken, PlaceState
from samizdat.delivery.backup_progress import progress
from samizdat.delivery.backup_standing import place_standing
from samizdat.events.actions import detail_of
from samizdat.health.findings import Finding
from samizdat.vault import keyring, shares, strict
from samizdat.vault.locks import unlocked

# After so long nobody remembers where the pages are.
PRACTICE = timedelta(days=365)
# A test of each place is due once a week.
TESTED = timedelta(days=15)
# Changes since the last backup are written every five seconds; a place may be away for a while.
TAIL_LATE, TAIL_TOO_LATE = timedelta(minutes=10), timedelta(hours=6)


def key_shares(now: datetime) -> Iterator[Finding]:
    """Of the instance key, and of each strict key. Nothing where there are none: not everybody needs them."""
    sets = [known.details for known in shares.sets(keyring.open_source())]
    yield from _shares(sets, now, _("key shares"), {"command": "samizdat keys practice"})
    for organization in Organization.objects.filter(pk__in=strict.owners()).order_by("pk"):
        yield from strict_shares(organization, now)


def strict_shares(organization: Organization, now: datetime) -> Iterator[Finding]:
    """Also while it is locked."""
    sets = [known.details for known in shares.sets(keyring.open_source(), bytes(organization.uid).hex())]
    is_alone = Organization.objects.count() == 1
    which = "" if is_alone else f" --organization {shlex.quote(organization.slug)}"
    values = {"command": f"samizdat keys strict practice{which}", "organization": organization.name}
    for finding in _shares(sets, now, _("%(organization)s, shares of its strict key"), values):
        yield replace(finding, organization=organization.pk)


def _shares(
    sets: Iterable[shares.SetDetails], now: datetime, about: str | Promise, facts: Mapping[str, object]
) -> Iterator[Finding]:
    for details in sets:
        last = details.practiced or details.created
        values = {
            "words": details.first_words,
            "threshold": details.threshold,
            "count": details.count,
            "day": last,
            **facts,
        }
        if now.date() - last > PRACTICE:
            sentence = (
                _(
                    "The set “%(words)s …”, %(threshold)s of %(count)s, was last practiced on %(day)s. Try whether its "
                    "pages still open the data: %(command)s"
                )
                if details.practiced
                else _(
                    "The set “%(words)s …”, %(threshold)s of %(count)s, was never practiced since %(day)s. Try whether "
                    "its pages still open the data: %(command)s"
                )
            )
            yield Finding("keys.shares-unpracticed", "amber", about, sentence, values)
            continue
        sentence = (
            _("The set “%(words)s …”, %(threshold)s of %(count)s, was practiced on %(day)s.")
            if details.practiced
            else _("The set “%(words)s …”, %(threshold)s of %(count)s, was created on %(day)s.")
        )
        del values["command"]
        yield Finding("keys.shares", "good", about, sentence, values)


def places(now: datetime) -> Iterator[Finding]:
    """As they were when the worker last used them: nobody is asked now."""
    known = backup_places.all_places()
    if not known:
        sentence = _("There is no backup place, so no backup is made by itself. Add one: %(command)s")
        values = {"command": "samizdat backup place add URL"}
        yield Finding("backup.no-place", "amber", _("backup places"), sentence, values)
    for place in known:
        if isinstance(place, PlaceBroken):
            yield _broken(place)
        else:
            yield _place(place, now)
            yield from _tail(place, now)


def restore_tests(now: datetime) -> Iterator[Finding]:
    """Whether the newest backup of each place could be restored, as the worker tries each week."""
    organization = Organization.objects.filter(unlocked()).order_by("pk").first()
    for place in backup_places.all_places():
        if organization and isinstance(place, KeptPlace) and backup_places.copies(place.number):
            yield _test(place, organization, now)


def _test(place: KeptPlace, organization: Organization, now: datetime) -> Finding:
    event = records.last(organization, place.details.url)
    about = _("backup place %(number)s")
    values: dict[str, object] = {"number": str(place.number), "command": "samizdat backup test"}
    if event is None:
        sentence = _("No backup there was restored as a test yet. The worker does it each week; do it now: %(command)s")
        is_new = now - place.details.added <= TESTED
        return Finding("backup.untested", "good" if is_new else "amber", about, sentence, values)
    detail = detail_of(event)
    values["at"] = f"{event.at:%Y-%m-%d %H:%M}"
    if event.kind == records.FAILED:
        sentence = _("On %(at)s UTC, the newest backup there couldn't be restored. %(why)s Test it again: %(command)s")
        values["why"] = partial(test_sentence, str(detail.get("code", "")), str(detail.get("what", "")))
        return Finding("backup.test-failed", "red", about, sentence, values)
    if now - event.at > TESTED:
        sentence = _("A backup there was last restored as a test on %(at)s UTC. Do it now: %(command)s")
        return Finding("backup.untested", "amber", about, sentence, values)
    return Finding("backup.tested", "good", about, *_passed(detail, values))


def _passed(detail: Mapping[str, Any], values: dict[str, object]) -> tuple[Promise, dict[str, object]]:
    facts = detail.get("facts", {})
    if not detail.get("opened"):
        sentence = _(
            "On %(at)s UTC, all files of the newest backup there were read, but it wasn’t restored as a test: its key "
            "isn’t on this server. Do that where the key is: %(command)s"
        )
        return sentence, values | {"command": "samizdat backup test --identity FILE"}
    shown = {name: values[name] for name in ("number", "at")}
    if locked := int(facts.get("locked", 0)):
        sentence = _(
            "A backup there was restored as a test on %(at)s UTC. The log, consent records and emails of locked "
            "organizations (%(locked)s) couldn’t be checked."
        )
        return sentence, shown | {"locked": locked}
    return _("A backup there was restored as a test on %(at)s UTC."), shown


def _broken(place: PlaceBroken) -> Finding:
    values = {"number": str(place.number), "why": place}
    return Finding("backup.place-broken", "red", _("backup place %(number)s"), "%(why)s", values)


def _place(place: KeptPlace, now: datetime) -> Finding:
    about, state, standing = _("backup place %(number)s"), place.state, place_standing(place, now)
    values = {"number": str(place.number), "last": partial(_last, standing.last)}
    if state.failures:
        return Finding(
            "backup.place-fails",
            "amber" if standing.level == "ok" else "red",
            about,
            _("The last %(attempts)s attempts failed. %(why)s %(last)s"),
            values | {"attempts": state.failures, "why": partial(_why, state)},
        )
    if standing.level != "ok":
        return Finding(
            "backup.place-late",
            standing.level,
            about,
            _("%(last)s Check that %(command_serve)s or a worker runs, or make one now: %(command)s"),
            values | {"command_serve": "samizdat serve", "command": "samizdat backup"},
        )
    if state.undeleted:
        sentence = _(
            "%(count)s old backups couldn’t be deleted there. They still have the data of erased people, encrypted. "
            "Delete them at the place."
        )
        return Finding("backup.place-undeleted", "amber", about, sentence, values | {"count": state.undeleted})
    return Finding("backup.place", "good", about, "%(last)s", values)


def _last(newest: datetime | None) -> str:
    if newest is None:
        return gettext("There is no backup yet.")
    return gettext("The last backup there is of %(at)s.") % {"at": _utc(newest)}


def _why(state: PlaceState) -> str:
    sentence = plugins.place_sentence(state.code)
    return gettext(sentence).format(**state.values) if sentence else state.error


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _tail(place: KeptPlace, now: datetime) -> Iterator[Finding]:
    """Whether what has changed since the last backup is there as well. Nothing where there is no backup yet."""
    about, known = _("backup place %(number)s"), progress(place.number, now)
    values = {"number": str(place.number), "at": _utc(known.tail_written) if known.tail_written else ""}
    if known.tail_failing and now - known.tail_failing > TAIL_LATE:
        sentence = (
            _(
                "Changes since the last backup couldn’t be written there since %(since)s. The last ones are of %(at)s. "
                "To see why, run: %(command)s"
            )
            if known.tail_written
            else _(
                "Changes since the last backup couldn’t be written there since %(since)s. To see why, run: %(command)s"
            )
        )
        yield Finding(
            "backup.tail-fails",
            "red" if now - known.tail_failing > TAIL_TOO_LATE else "amber",
            about,
            sentence,
            values | {"since": _utc(known.tail_failing), "command": "samizdat backup"},
        )
    elif known.tail_written:
        sentence = _("Changes since the last backup are there, the last of %(at)s.")
        yield Finding("backup.tail", "good", about, sentence, values)
