"""A test of versions: a part by chance gets them, nobody gets two, the rest gets the winner, and the books add up."""

from datetime import datetime, timedelta
from email import message_from_bytes
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.campaigns import ab_test as plans
from samizdat.campaigns import actions
from samizdat.campaigns.ab_test import BadTest, VersionChange
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Variant
from samizdat.core.ab_test import REST, group
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery import queries
from samizdat.delivery.actions import ab_test as running
from samizdat.delivery.actions import choose, release
from samizdat.delivery.actions.due import retry_due
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import WrongState
from samizdat.delivery.models import Chunk, Retry
from samizdat.events.models import Event
from tests.clicks import clicked
from tests.delivery.conftest import House, Running, until
from tests.delivery.test_kills import Child, finish, one_identity_each
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer


def in_test(
    house: House, share: int = 40, way: str = "hand", changes: Any = None, link: str = "", **how: Any
) -> Campaign:
    now = dbclock.now()
    counted = way == "clicks"
    campaign = house.draft("[Read](https://paper.example/flood)", links="counted") if counted else house.draft()
    changes = changes or [VersionChange(subject="Other news")]
    plans.plan(campaign, changes, share=share, way=way, at=now + timedelta(hours=2), by=None, now=now, link=link)
    return release(campaign, now=now, **how)


def run_until_it_waits(campaign: Campaign) -> None:
    """Sends what may go; what is left waits for the test."""
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).reason in ("test", "test_hand"))


def subjects(server: ScriptedServer) -> dict[str, list[str]]:
    """Subject -> who got it."""
    found: dict[str, list[str]] = {}
    for caught in server.messages:
        found.setdefault(str(message_from_bytes(caught.content)["Subject"]), []).append(caught.recipient)
    return found


def parts_add_up(campaign: Campaign) -> dict[str, int]:
    """Name of the version -> how many it was frozen for."""
    campaign.refresh_from_db()
    found = running.parts(campaign)
    for state in ("accepted", "refused", "unsure", "suppressed", "cancelled", "deferred", "pending"):
        assert sum(part.counts.get(state, 0) for part in found) == getattr(campaign, state)
    assert sum(part.frozen for part in found) == campaign.frozen
    return {part.version.name if part.version else "": part.frozen for part in found}


def test_the_rest_waits_for_the_winner_that_a_person_chooses(house: House, server: ScriptedServer) -> None:
    house.people(50)
    house.route(server)
    campaign = in_test(house)
    assert parts_add_up(campaign) == {"A": 10, "B": 10, "": 30}
    run_until_it_waits(campaign)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.reason, campaign.waits_until) == ("waiting", "test_hand", None), (
        "at no time by itself"
    )
    assert campaign.accepted == 20
    first = subjects(server)
    assert {subject: len(people) for subject, people in first.items()} == {"News": 10, "Other news": 10}
    parts_add_up(campaign)
    choose(campaign, 1, now=dbclock.now())
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert {subject: len(people) for subject, people in subjects(server).items()} == {"News": 10, "Other news": 40}
    assert set(server.counts().values()) == {1}
    assert parts_add_up(campaign) == {"A": 10, "B": 10, "": 30}
    books_balance(campaign)
    assert queries.recount(campaign).accepted == 50


@pytest.mark.usefixtures("low_floor")
@pytest.mark.parametrize("way", ["replies", "unsubscribes", "clicks"])
def test_at_its_time_the_numbers_decide(house: House, server: ScriptedServer, way: str) -> None:
    house.people(20)
    house.route(server)
    campaign = in_test(
        house, way=way, changes=[VersionChange(from_name="Ada of Lantern"), VersionChange(subject="Third")], share=60
    )
    run_until_it_waits(campaign)
    Variant.objects.filter(campaign=campaign, variant_no=0).update(left=2, replies=1)
    Variant.objects.filter(campaign=campaign, variant_no=1).update(left=2)
    Variant.objects.filter(campaign=campaign, variant_no=2).update(left=1, replies=3)
    if way == "clicks":
        today = dbclock.now().date()
        clicked(campaign, [(place, 0, today, count) for place, count in ((0, 20), (1, 30), (2, 50))])
    Campaign.objects.filter(pk=campaign.pk).update(test_at=dbclock.now() - timedelta(minutes=1))
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    campaign.refresh_from_db()
    assert (campaign.test_winner, campaign.test_state) == (2, "done")
    assert [one.presses for one in plans.versions(campaign)] == ([20, 30, 50] if way == "clicks" else [0, 0, 0])
    assert {name: len(people) for name, people in subjects(server).items()} == {"News": 8, "Third": 12}
    assert parts_add_up(campaign) == {"A": 4, "B": 4, "C": 4, "": 8}


def test_another_text_is_that_of_another_draft(house: House, server: ScriptedServer) -> None:
    house.people(10)
    house.route(server)
    other = house.draft("Dear {{ FNAME }},\n\nanother text altogether.\n")
    campaign = in_test(house, share=40, changes=[VersionChange(letter=other)])
    run_until_it_waits(campaign)
    texts = [caught.content for caught in server.messages]
    assert sum(b"another text altogether" in text for text in texts) == 2 and len(texts) == 4
    assert set(subjects(server)) == {"News"}


def test_who_was_put_off_gets_the_same_version_again(house: House) -> None:
    people = house.people(30)
    campaign = in_test(house, share=80)
    edition, now = campaign.edition, dbclock.now()
    numbers = [house.number(address) for address in people]
    marks = plans.marks_of(edition.pk)
    Retry.objects.bulk_create(Retry(edition=edition, number=number, first=now, due=now) for number in numbers)
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    assert retry_due(now) == 30
    for chunk in Chunk.objects.filter(retry=True):
        assert {group(edition.pk, number, marks) for number in unpack_numbers(bytes(chunk.numbers))} == {chunk.variant}
    assert set(Chunk.objects.filter(retry=True).values_list("variant", flat=True)) == {0, 1, REST}


@pytest.mark.kill
def test_kills_in_a_test_send_nobody_two_versions(house: House, server: ScriptedServer) -> None:
    addresses = house.people(600)
    server.latency = 0.02
    house.route(server, connections=4)
    campaign = in_test(house, share=50)
    for steps in ({"die": ["after S", 2]}, {"die": ["after the final dot", 2]}, {}):
        child, taken = Child(**steps), len(server.messages)
        until(lambda child=child, taken=taken: child.ended or len(server.messages) > taken + 60)
        child.kill()
        parts_add_up(campaign)
    server.latency = 0.0
    child = Child()
    until(lambda: Campaign.objects.get(pk=campaign.pk).reason == "test_hand")
    choose(campaign, 1, now=dbclock.now())
    until(lambda: len(server.messages) > 340)
    child.kill()
    finish(campaign)
    got = subjects(server)
    assert not set(got["News"]) & set(got["Other news"])
    assert set(server.counts()) == set(addresses)
    one_identity_each(server)
    assert parts_add_up(campaign) == {"A": 150, "B": 150, "": 300}
    books_balance(campaign)


@pytest.mark.parametrize(
    ("changes", "more", "field"),
    [
        ([], {}, "subject"),
        ([VersionChange()], {}, "subject"),
        ([VersionChange(subject="News")], {}, "subject"),
        ([VersionChange(from_email="news@elsewhere.example")], {}, "from_email"),
        ([VersionChange(from_email="nobody")], {}, "from_email"),
        ([VersionChange(subject="B")], {"share": 95}, "share"),
        ([VersionChange(subject="B")], {"way": "clicks"}, "way"),
        ([VersionChange(subject="B")], {"at": -1}, "time"),
    ],
)
def test_what_is_no_test_is_a_sentence(house: House, changes: Any, more: Any, field: str) -> None:
    now, campaign = dbclock.now(), house.draft()
    told = {"share": 20, "way": "hand", **more, "at": now + timedelta(hours=more.get("at", 1))}
    with pytest.raises(BadTest) as refused:
        plans.plan(campaign, changes, by=None, now=now, **told)
    assert refused.value.field == field


@pytest.mark.usefixtures("low_floor")
@pytest.mark.django_db(transaction=True)
def test_clicks_of_one_link_decide_and_nothing_where_the_letter_counts_none(house: House) -> None:
    house.people(20)
    body = "[A](https://paper.example/a) and [b](https://paper.example/b)"
    campaign = house.draft(body, links="counted")
    now, told = dbclock.now(), {"share": 60, "way": "clicks", "by": None}
    plans.plan(
        campaign,
        [VersionChange(subject="B")],
        at=now + timedelta(hours=2),
        now=now,
        link="https://paper.example/b",
        **told,
    )
    release(campaign, now=now)
    clicked(campaign, [(place, link, now.date(), count) for place, link, count in ((0, 0, 90), (0, 1, 20), (1, 1, 30))])
    assert running.winner_of(campaign) == 1
    later = house.draft(body, links="counted")
    plans.plan(later, [VersionChange(subject="B")], at=now + timedelta(hours=2), now=now, **told)
    actions.save(later, draft_of(later).with_(links="direct"), version=later.version, by=None, now=now)
    with pytest.raises(BadTest, match="This campaign no longer counts clicks"):
        release(later, now=now)


def test_clicks_decide_nothing_where_a_version_goes_to_few(house: House) -> None:
    """The first of A's two readers who clicks would be the one that makes it win."""
    house.people(20)
    with pytest.raises(BadTest, match="at least 200 people") as refused:
        in_test(house, way="clicks")
    assert refused.value.field == "way" and Campaign.objects.get().state == "draft"


def test_a_version_that_nobody_would_get_and_a_time_that_is_over_stop_the_release(house: House) -> None:
    house.people(9)
    now = dbclock.now()
    with pytest.raises(BadTest, match="too few people"):
        in_test(house, share=20)
    with pytest.raises(BadTest, match="half an hour"):
        in_test(house, at=now + timedelta(hours=3))
    assert not Chunk.objects.exists()


def _waits(house: House, campaign: Campaign, **columns: object) -> tuple[bool, datetime | None, bool]:
    """Its test is looked at once its time is over, by these columns of its row."""
    Chunk.objects.filter(edition__campaign=campaign).exclude(variant=REST).update(state=Chunk.DONE)
    Campaign.objects.filter(pk=campaign.pk).update(test_at=dbclock.now() - timedelta(minutes=1), **columns)
    row = {"id": campaign.pk, "edition__id": campaign.edition.pk, "test_state": "running"}
    fresh = Campaign.objects.get(pk=campaign.pk)
    return running.waits_for({**row, "ab_metric": fresh.ab_metric, "test_at": fresh.test_at}, dbclock.now())  # type: ignore[typeddict-item]


@pytest.mark.usefixtures("low_floor")
@pytest.mark.parametrize("way", ["hand", "unsubscribes"])
def test_whoever_writes_the_database_has_no_test_decided_by_clicks_that_was_to_be_decided_otherwise(
    house: House, way: str
) -> None:
    """Which version won stands in the open; of clicks it would tell what one subscriber pressed."""
    house.people(20)
    campaign = house.draft("[Read](https://paper.example/flood)", links="counted")
    now = dbclock.now()
    told: Any = {"share": 60, "way": way, "at": now + timedelta(hours=2), "by": None, "now": now}
    plans.plan(campaign, [VersionChange(subject="B")], **told)
    campaign = release(campaign, now=now)
    clicked(campaign, [(1, 0, now.date(), 50)])
    _waits(house, campaign, ab_metric="clicks")
    campaign.refresh_from_db()
    assert campaign.test_winner == (None if way == "hand" else 0)


@pytest.mark.usefixtures("low_floor")
def test_clicks_that_the_report_does_not_tell_apart_decide_nothing(house: House) -> None:
    house.people(20)
    campaign, today = in_test(house, way="clicks", share=60), dbclock.now().date()
    clicked(campaign, [(0, 0, today, 36), (1, 0, today, 42)])
    assert running.winner_of(campaign) == 0
    clicked(campaign, [(1, 0, today, 5)])
    assert running.winner_of(campaign) == 1


@pytest.mark.usefixtures("low_floor")
def test_a_test_is_decided_once_whatever_the_database_says_of_it_later(house: House) -> None:
    house.people(20)
    campaign = in_test(house, way="clicks", share=60)
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    choose(campaign, 0, now=dbclock.now())
    clicked(campaign, [(1, 0, dbclock.now().date(), 50)])
    _waits(house, campaign, test_state="running", test_winner=None)
    campaign.refresh_from_db()
    assert (campaign.test_state, campaign.test_winner) == ("decided", 0)
    Campaign.objects.filter(pk=campaign.pk).update(test_state="running")
    with pytest.raises(WrongState, match="already decided"):
        choose(campaign, 1, now=dbclock.now())
    assert Event.objects.filter(kind="campaign.test_decided").count() == 1
