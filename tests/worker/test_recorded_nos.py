"""Whoever writes the database and has no key makes it look, for a day, as if everybody had said no already, and puts it
back in the evening. A no of that day stands all the same: it is never asked of the open columns whether it is news."""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import consistency
from samizdat.audience.actions import bulk
from samizdat.audience.actions.suppressions import suppress_many
from samizdat.audience.filters import Filter
from samizdat.audience.models import (
    SUBSCRIBED,
    SUPPRESSION_REASONS,
    UNSUBSCRIBED,
    ConsentRecord,
    List,
    Subscriber,
    Subscription,
    Suppression,
)
from samizdat.core import consent
from samizdat.core.crypto import tokens
from samizdat.events.models import Event
from samizdat.publicdb.models import Intake
from samizdat.vault import keyring
from samizdat.worker.inbox import inbox, preferences, unsubscribes
from tests.conftest import NOW, TODAY
from tests.worker.conftest import say

pytestmark = pytest.mark.django_db

EVE = "eve@example.org"
LEFT, PAUSED_UNTIL = consent.REASONS.index("left"), NOW.date() + timedelta(days=60)
# What a record says that whoever writes the database puts beside Eve: of every way in which a subscriber can say no.
FORGED = [("withdrawn", way) for way in ("form", "one-click", "desk")] + [("objected", "desk")]


@pytest.fixture
def eve(lantern: Any, thursday: Any) -> Subscriber:
    """Eve gets the letters, and agreed to appeals."""
    eve = audience.add_subscriber(lantern, EVE, thursday, consent="By form.", now=NOW)
    assert audience.agree_to_appeals_of(eve, [thursday], now=NOW)
    return eve


def box(eve: Subscriber, kind: str, purpose: str, **words: str) -> None:
    """A press on the public pages, which the worker takes up. The edition is not known here, so it is of all lists."""
    key = keyring.keys(eve.organization).link
    assert key is not None
    say(eve.organization, kind, token=tokens.make(key, purpose, 999, eve.number), purpose=purpose, **words)
    unsubscribes.take(NOW)
    preferences.take(NOW)


def come_back_and_be_taken_off(eve: Subscriber, list_: Any) -> None:
    """Many came back by links, which an admin undoes."""
    audience.leave_again(eve, list_, now=NOW)


type No = Callable[[Subscriber, Any], object]

# Of the letters.
NOS: dict[str, No] = {
    "link": lambda eve, _list: box(eve, "leave", "leave", way="form"),
    "button of a mailbox": lambda eve, _list: box(eve, "leave", "leave", way="one-click"),
    "pause": lambda eve, _list: box(
        eve, "prefer", "preferences", often="pause", until=PAUSED_UNTIL.isoformat(), appeals=""
    ),
    "desk": lambda eve, list_: audience.unsubscribe(eve, list_, now=NOW),
    "desk, all lists": lambda eve, _list: audience.unsubscribe_from_all(eve, now=NOW),
    "objection": lambda eve, _list: audience.object_to_mail(eve.organization, subscriber=eve, now=NOW),
    "objection by address": lambda eve, _list: audience.object_to_mail(eve.organization, address=EVE, now=NOW),
    "suppressed by the team": lambda eve, _list: audience.suppress(eve.organization, "manual", subscriber=eve, now=NOW),
    "suppressed by address": lambda eve, _list: audience.suppress(eve.organization, "complaint", address=EVE, now=NOW),
    "pasted complaint": lambda eve, _list: suppress_many(eve.organization, EVE, "complaint", now=NOW),
    "pasted bounce": lambda eve, _list: suppress_many(eve.organization, EVE, "bounce", now=NOW),
    "bounced": lambda eve, _list: audience.suppress_bounced(eve.organization, {eve.pk: {"answer": "full"}}, now=NOW),
    "complained": lambda eve, _list: audience.suppress_complained(eve.organization, [eve.pk], now=NOW),
    "return of many undone": come_back_and_be_taken_off,
}
NOS_TO_APPEALS: dict[str, No] = {
    "settings": lambda eve, _list: box(eve, "prefer", "preferences", often="", appeals="no"),
    "desk": lambda eve, list_: audience.unsubscribe(eve, list_, purpose=consent.APPEALS, now=NOW),
    "link": lambda eve, _list: box(eve, "leave", "leave", way="form"),
}


@contextmanager
def altered(eve: Subscriber, status: int = UNSUBSCRIBED) -> Iterator[None]:
    """The day in which everybody seems to have said no already."""
    rows, organization = Subscription.objects.filter(subscriber=eve), eve.organization
    before = list(rows.values("list", "status", "mail_verdict", "fundraising_verdict", "since", "paused"))
    for reason in SUPPRESSION_REASONS:
        Suppression.objects.create(
            organization=organization, email_index=eve.email_index, reason=reason, day=NOW.date()
        )
    entries = [*Suppression.objects.values_list("pk", flat=True)]
    forged = [
        ConsentRecord.objects.create(
            organization=organization, subscriber=eve, list_id=list_id, kind=consent.KINDS.index(kind),
            channel=consent.WAYS.index(way), purpose=purpose, day=NOW.date(), sealed=b"", digest=bytes(32),
        ).pk
        for kind, way in FORGED
        for purpose in range(len(consent.PURPOSES))
        for list_id in (before[0]["list"], None)
    ]  # fmt: skip
    rows.update(status=status, mail_verdict=LEFT, fundraising_verdict=0, paused=PAUSED_UNTIL)
    yield
    Suppression.objects.filter(pk__in=entries).delete()
    ConsentRecord.objects.filter(pk__in=forged).delete()
    for columns in before:
        rows.filter(list=columns.pop("list")).update(**columns)


def verdicts(eve: Subscriber) -> tuple[str, str]:
    """(of the letters, of the appeals) after the comparison of the night."""
    consistency.mend_all(eve.organization, NOW)
    row = Subscription.objects.get(subscriber=eve)
    return consent.REASONS[row.mail_verdict], consent.REASONS[row.fundraising_verdict]


@pytest.mark.parametrize("no", NOS)
def test_a_no_stands_though_it_seemed_to_be_said_before(no: str, thursday: Any, eve: Subscriber) -> None:
    if no == "return of many undone":
        audience.unsubscribe(eve, thursday, way="one-click", now=NOW)
        audience.undo_unsubscribe(eve, thursday, now=NOW)
    assert verdicts(eve)[0] == "yes"
    with altered(eve):
        NOS[no](eve, thursday)
    assert verdicts(eve)[0] not in ("yes", "not_asked_yet")


@pytest.mark.parametrize("no", NOS_TO_APPEALS)
def test_a_no_to_appeals_stands_though_it_seemed_to_be_said_before(no: str, thursday: Any, eve: Subscriber) -> None:
    with altered(eve):
        NOS_TO_APPEALS[no](eve, thursday)
    assert verdicts(eve)[1] == "left"


@pytest.mark.parametrize("no", ["link", "button of a mailbox", "desk", "desk, all lists"])
def test_a_no_stands_though_the_yes_before_it_was_away_for_the_day(no: str, thursday: Any, eve: Subscriber) -> None:
    """Eve had left once and came back; for a day only the leaving is to be seen, which we wrote."""
    day = NOW - timedelta(days=9)
    ConsentRecord.objects.update(day=(day - timedelta(days=1)).date())
    audience.unsubscribe(eve, thursday, way="form", now=day)
    audience.confirm(eve, thursday, now=NOW)
    yes = ConsentRecord.objects.filter(kind=consent.KINDS.index("confirmed"), day=NOW.date())
    number = yes.get().pk
    ConsentRecord.objects.filter(pk=number).update(subscriber_id=-1)
    NOS[no](eve, thursday)
    ConsentRecord.objects.filter(pk=number).update(subscriber_id=eve.id)
    assert verdicts(eve)[0] == "left"


def test_a_bulk_removal_takes_off_who_seemed_to_have_left_meanwhile(
    lantern: Any, thursday: Any, eve: Subscriber
) -> None:
    """Whom it is about is what the filter finds, as its page shows."""
    work = bulk.begin(lantern, bulk.BulkPlan(bulk.REMOVE, Filter(), list=thursday.id), now=NOW)
    with altered(eve, status=SUBSCRIBED):
        bulk.run(work.id, lambda: NOW)
    assert verdicts(eve)[0] == "left"


@pytest.mark.parametrize("no", ["link", "pause", "desk, all lists"])
def test_a_no_is_of_all_lists_though_the_subscription_is_away_for_the_day(
    no: str, thursday: Any, eve: Subscriber
) -> None:
    row = Subscription.objects.get(subscriber=eve)
    Subscription.objects.all().delete()
    NOS[no](eve, thursday)
    Subscription.objects.all().delete()
    row.save(force_insert=True)
    assert verdicts(eve)[0] in ("left", "paused")


@pytest.mark.parametrize("no", ["link", "button of a mailbox", "pause", "desk, all lists"])
def test_a_no_stands_though_the_list_was_beside_another_organization_for_the_day(
    no: str, lantern: Any, thursday: Any, eve: Subscriber, vault: Any
) -> None:
    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    List.objects.update(organization=other)
    NOS[no](eve, thursday)
    List.objects.update(organization=lantern)
    assert verdicts(eve)[0] in ("left", "paused")


def test_a_no_waits_while_its_organization_is_not_to_be_seen(lantern: Any, eve: Subscriber) -> None:
    key = keyring.keys(lantern).link
    assert key is not None
    say(lantern, "leave", token=tokens.make(key, "leave", 999, eve.number), purpose="leave", way="form")
    Organization.objects.filter(pk=lantern.pk).update(uid=bytes(16))
    unsubscribes.take(NOW)
    Organization.objects.filter(pk=lantern.pk).update(uid=lantern.uid)
    inbox.waits.clear()
    unsubscribes.take(NOW)
    assert verdicts(eve)[0] == "left"


@pytest.mark.parametrize("no", ["link", "pause"])
@pytest.mark.parametrize("table", [List, ConsentRecord, Subscriber])
def test_a_no_waits_while_what_it_is_about_is_not_to_be_seen(
    no: str, table: Any, thursday: Any, eve: Subscriber
) -> None:
    """The list or Eve has another number, or no record of ours names it. Nobody reads that they left while nothing says
    so."""
    ConsentRecord.objects.exclude(kind=consent.KINDS.index("given"), purpose=0).delete()
    rows, other = table.objects.all(), "channel" if table is ConsentRecord else "id"
    [before] = rows.values_list(other, flat=True)
    rows.update(**{other: before + 1})
    NOS[no](eve, thursday)
    assert Intake.objects.count() == 1
    assert rows.update(**{other: before}) == 1
    inbox.waits.clear()
    unsubscribes.take(NOW)
    preferences.take(NOW)
    assert not Intake.objects.exists()
    assert verdicts(eve)[0] in ("left", "paused")


def test_a_complaint_goes_along_to_another_address_though_its_entry_was_away_for_the_moment(
    lantern: Any, eve: Subscriber
) -> None:
    audience.suppress(lantern, "complaint", subscriber=eve, now=NOW)
    entry = Suppression.objects.get()
    Suppression.objects.all().delete()
    audience.correct_address(eve, "eve@other.example", now=NOW)
    entry.save(force_insert=True)
    assert verdicts(eve)[0] == "suppressed:complaint"


def test_settings_show_how_they_stand_by_their_records(thursday: Any, eve: Subscriber) -> None:
    """Else they read that they have left, or take no appeals, and take nothing back."""
    from samizdat.audience.actions.preferences import settings_of

    with altered(eve):
        ConsentRecord.objects.filter(digest=bytes(32)).delete()
        shown = settings_of(eve, thursday, NOW)
    assert shown is not None and (shown.status, shown.appeals) == ("subscribed", True)


def test_somebody_who_says_no_again_and_again_fills_no_table(thursday: Any, eve: Subscriber) -> None:
    def rows() -> tuple[int, int]:
        return ConsentRecord.objects.count(), Event.objects.count()

    by_eve = [no for name, no in NOS.items() if not name.startswith(("pasted", "bounced"))]  # Events of others.
    by_eve += NOS_TO_APPEALS.values()
    for no in [*by_eve, *by_eve]:
        no(eve, thursday)
    before = rows()
    for no in [*by_eve, *by_eve]:
        no(eve, thursday)
    assert rows() == before


ROOT = Path(__file__).parents[2] / "samizdat"

# (module, function) that writes a no -> the name in NOS or NOS_TO_APPEALS by which it is tried above, or why it needs
# none. Whoever writes another one adds it here, and there.
WRITERS = {
    ("audience/actions/complained.py", "_facts"): "complained",
    ("audience/actions/complained.py", "_suppress"): "complained",
    ("audience/actions/consent.py", "unsubscribe_from"): "link",
    ("audience/actions/consent.py", "unsubscribe_from_all"): "desk, all lists",
    ("audience/actions/consent.py", "leave_again"): "return of many undone",
    ("audience/actions/objection.py", "object_to_mail"): "objection",
    ("audience/actions/suppressions.py", "suppress"): "suppressed by the team",
    ("audience/actions/suppressions.py", "suppress_bounced"): "bounced",
    ("audience/actions/suppressions.py", "_suppress_slice"): "pasted complaint",
    ("audience/actions/suppressions.py", "keep_suppression"): "objection",
    ("audience/actions/bulk.py", "_do"): "test_a_bulk_removal_takes_off_who_seemed_to_have_left_meanwhile",
    ("audience/actions/bulk.py", "_move"): "Who is on the list by their records and by its column goes to another.",
    ("audience/actions/preferences.py", "move"): "Always: the mailbox that they left.",
    ("audience/actions/preferences.py", "_hand_over"): "Their old address is suppressed with it.",
    ("audience/actions/rectification.py", "_keep_own_decisions"): "What stands goes along to another address.",
    ("audience/actions/subscribers.py", "erase"): "Always.",
    ("audience/actions/subscribers.py", "erase_locked"): "Always.",
    ("audience/bulk_consent_writer.py", "erase"): "Always.",
    ("audience/missing_subscribers.py", "_keep_away"): "Always, once for each who is missing.",
    ("audience/imports/writer.py", "_suppress"): "Always; tests/audience/test_import.py.",
    ("portability/restore/subscribers.py", "_others_suppressed"): "Always.",
    ("portability/restore/subscribers.py", "_written"): "Always.",
    ("audience/index_renewal.py", "_renew_suppressions"): "What stands goes along to another index.",
}
_NO = ("withdrawn", "objected", "cleaned")


def test_every_place_that_writes_a_no_is_tried_here() -> None:
    places = set()
    for path in ROOT.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(map(_writes_a_no, ast.walk(function))):
                places.add((str(path.relative_to(ROOT)), function.name))
    assert places == set(WRITERS)


def _writes_a_no(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    named = ast.unparse(node.func).rpartition(".")[2]
    kinds = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    if named == "keep_suppression" or ast.unparse(node.func) == "suppression_log.write":
        return True
    is_fact = named == "ConsentFactRow" or ast.unparse(node.func) == "bulk_consent_writer.write"
    return is_fact and bool(kinds & set(_NO))
