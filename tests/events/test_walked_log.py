"""A log is walked once, in portions, for all who ask what it doesn't say; what was walked can't be taken away since."""

from collections.abc import Iterator
from typing import Any

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience.models import ConsentRecord
from samizdat.events import chain, sql, walked_log
from samizdat.events.models import ChainHead, Event
from tests.events.test_chain import consents, happen

pytestmark = pytest.mark.django_db

ABOUT = 7  # What `happen` is about.
AT_ONCE = 0.0


@pytest.fixture(autouse=True)
def portions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chain, "SLICE", 4)
    monkeypatch.setattr(walked_log, "PORTION", 4)
    walked_log._logs.clear()
    yield
    walked_log._logs.clear()


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Those of the log that are read."""
    read: list[int] = []
    chained = sql.chained

    def look(*of: Any) -> Any:
        for row in chained(*of):
            read.append(row[0])
            yield row

    monkeypatch.setattr(sql, "chained", look)
    return read


def _log(lantern: Organization, records: int = 0) -> int:
    happen(lantern, "list.created", "list.changed")
    consents(lantern, records)
    while chain.append():
        continue
    return chain.length(lantern)


def test_however_many_ask_a_log_is_walked_once(lantern: Organization, places: list[int]) -> None:
    length = _log(lantern, 30)
    assert all(walked_log.is_whole(lantern, since, ABOUT) for since in (5, 20, 12, 0, 3, 31))
    assert len(set(places)) == length
    # The last portion of each walk is looked at for what comes behind it, and no more.
    assert len(places) <= 2 * length


def test_somebody_in_a_hurry_walks_some_hundred_rows_before_they_look_at_the_time(
    lantern: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender feeds nobody meanwhile, and on a slow machine thousands of rows take longer than a look at the intake
    is good for."""
    monkeypatch.undo()
    rows: list[int] = []
    genuine = chain.ChainWalk.go_on

    def go_on(walk: chain.ChainWalk, organization: Organization, contents: Any, many: int) -> bool:
        rows.append(many)
        return genuine(walk, organization, contents, many)

    monkeypatch.setattr(chain.ChainWalk, "go_on", go_on)
    _log(lantern)
    walked_log.is_whole(lantern, 0, ABOUT, seconds=0.0)
    assert rows and max(rows) <= 500


def test_who_may_not_wait_hears_that_it_is_not_walked_yet_and_asks_again(lantern: Organization) -> None:
    _log(lantern, 30)
    answers = []
    while not answers or answers[-1] is None:
        answers.append(walked_log.is_whole(lantern, 0, ABOUT, AT_ONCE))
        assert len(answers) < 40
    assert answers[-1] is True
    assert len(answers) >= 8


def test_what_came_since_is_walked_as_well(lantern: Organization) -> None:
    _log(lantern, 6)
    assert walked_log.is_whole(lantern, 0, ABOUT)
    consents(lantern, 6)
    (gone,) = happen(lantern, "list.renamed")
    _log(lantern)
    Event.objects.filter(id=gone.id).delete()
    assert walked_log.is_whole(lantern, 0, ABOUT) is False


@pytest.mark.parametrize("how", ["deleted", "renamed", "moved", "said otherwise"])
def test_an_event_that_was_walked_has_to_be_there_as_it_was(lantern: Organization, how: str) -> None:
    (stopped,) = happen(lantern, "campaign.cancelled")
    _log(lantern, 6)
    assert walked_log.is_whole(lantern, 0, ABOUT)
    row = Event.objects.filter(id=stopped.id)
    if how == "deleted":
        row.delete()
    else:
        other = {"renamed": {"kind": "list.changed"}, "moved": {"position": 10**12}, "said otherwise": {"about": 8}}
        row.update(**other[how])
    assert walked_log.is_whole(lantern, 0, ABOUT) is False


def test_a_break_before_a_release_does_not_concern_it(lantern: Organization) -> None:
    before = _log(lantern, 6)
    _log(lantern, 6)
    Event.objects.filter(position__lte=before).first().delete()  # type: ignore[union-attr]
    assert walked_log.is_whole(lantern, before, ABOUT)
    assert walked_log.is_whole(lantern, 0, ABOUT) is False
    assert walked_log.is_whole(lantern, before, ABOUT)


def test_the_log_of_a_restored_database_is_walked_anew(lantern: Organization) -> None:
    _log(lantern, 6)
    assert walked_log.is_whole(lantern, 0, ABOUT)
    Event.objects.filter(organization=lantern).delete()
    ConsentRecord.objects.filter(organization=lantern).delete()
    ChainHead.objects.filter(organization=lantern).delete()
    _log(lantern, 3)
    assert walked_log.is_whole(lantern, 0, ABOUT)
