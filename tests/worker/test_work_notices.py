"""Who is mailed about work: that a campaign was sent, waits or was paused, a route broke, an import ended."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts import notice_choices
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization, Person
from samizdat.delivery.actions import add_route
from samizdat.events.actions import record
from samizdat.events.models import Event, Notice
from samizdat.worker.schedule import event_handlers, notices
from tests.conftest import NOW
from tests.web.conftest import make_person

pytestmark = pytest.mark.django_db
CAMPAIGN = 14


@pytest.fixture(autouse=True)
def _due_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_later", {})


@pytest.fixture
def team(lantern: Organization, tmp_path: Path) -> dict[str, Person]:
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    change_settings(lantern, desk_url="https://desk.example", return_address="post@lantern.example", by=None, now=NOW)
    roles = {"vera": "admin", "clara": "editor", "olga": "editor", "dmitri": "viewer"}
    return {name: make_person(name, f"{name}@lantern.example", lantern, role) for name, role in roles.items()}


def _mails(folder: Path) -> dict[str, list[str]]:
    """To whom -> each mail, with its head."""
    mails: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.eml")):
        text = path.read_text()
        to = re.search(r"^To: <(\w+)@", text, re.MULTILINE)
        assert to
        mails.setdefault(to[1], []).append(text)
    return mails


def _happens(organization: Organization, kind: Any, tmp_path: Path, **facts: Any) -> list[str]:
    """Who is mailed of it."""
    before = {to: len(some) for to, some in _mails(tmp_path).items()}
    at = facts.pop("now", NOW)
    record(kind, organization, now=at, **{"about": CAMPAIGN, **facts})
    event_handlers.follow(at)
    notices._later.clear()
    notices.take(at, organization.pk)
    return sorted(to for to, some in _mails(tmp_path).items() if len(some) > before.get(to, 0))


def test_who_sent_a_campaign_is_mailed_once_that_it_is_sent(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    record("campaign.released", lantern, now=NOW, about=CAMPAIGN, by=team["clara"])
    assert _happens(lantern, "campaign.finished", tmp_path) == ["clara"]
    event_handlers.follow(NOW)
    assert notices.take(NOW, lantern.pk) == 0 and not Notice.objects.exists()
    [mail] = _mails(tmp_path)["clara"]
    assert "campaign No. 14" in mail and f"https://desk.example/o/{lantern.slug}/campaigns/14/report" in mail


def test_a_mail_that_goes_again_after_a_kill_is_the_same_message(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    record("campaign.released", lantern, now=NOW, about=CAMPAIGN, by=team["clara"])
    _happens(lantern, "campaign.finished", tmp_path)
    Notice.objects.create(event=Event.objects.get(kind="campaign.finished"), person=team["clara"])
    notices.take(NOW, lantern.pk)
    first, second = (re.search(r"^Message-ID: (.*)$", mail, re.MULTILINE) for mail in _mails(tmp_path)["clara"])
    assert first and second and first[1] == second[1]


def test_nobody_is_forgotten_where_the_worker_was_killed_before_it_mailed(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    record("route.dead", lantern, now=NOW, about=3)
    event_handlers.follow(NOW)  # Killed here: what is owed is on record.
    assert notices.waiting(NOW) == {lantern.pk}
    assert notices.take(NOW + timedelta(hours=1), lantern.pk) == 1
    record("route.dead", lantern, now=NOW, about=4)
    event_handlers.follow(NOW)
    assert notices.take(NOW + timedelta(days=2), lantern.pk) == 0, "no news any more"
    assert not Notice.objects.exists()


def test_a_topic_that_somebody_switched_off_is_mailed_to_the_others_alone(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    record("campaign.released", lantern, now=NOW, about=CAMPAIGN, by=team["clara"])
    notice_choices.choose(team["clara"], [topic for topic in notice_choices.TOPICS if topic != "paused"])
    team["clara"].save()
    assert _happens(lantern, "campaign.paused", tmp_path, by=team["olga"]) == ["vera"]
    assert _happens(lantern, "campaign.finished", tmp_path) == ["clara"]


def test_whoever_writes_the_database_switches_no_mails_off(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    notice_choices.choose(team["clara"], [])
    Person.objects.filter(pk=team["vera"].pk).update(notices_sealed=team["clara"].notices_sealed)
    assert _happens(lantern, "route.dead", tmp_path) == ["vera"]


def test_who_paused_a_campaign_is_not_mailed_about_it(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    record("campaign.released", lantern, now=NOW, about=CAMPAIGN, by=team["clara"])
    assert _happens(lantern, "campaign.paused", tmp_path, by=team["vera"]) == ["clara"]
    assert _happens(lantern, "campaign.wave_stopped", tmp_path) == ["clara", "vera"]


def test_that_a_campaign_waits_is_mailed_once_a_day_and_where_nobody_chose_it(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    later = NOW + timedelta(hours=3)
    assert _happens(lantern, "campaign.waits", tmp_path, detail={"reason": "quiet"}) == []
    assert _happens(lantern, "campaign.waits", tmp_path, detail={"reason": "limit"}) == ["vera"]
    assert _happens(lantern, "campaign.waits", tmp_path, detail={"reason": "limit"}, now=later) == []
    assert _happens(lantern, "campaign.waits", tmp_path, detail={"reason": "no_route"}, now=later) == ["vera"]
    after = later + timedelta(days=1, hours=1)
    assert _happens(lantern, "campaign.waits", tmp_path, detail={"reason": "limit"}, now=after) == ["vera"]


def test_everybody_who_may_approve_is_mailed_but_not_who_asks(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    assert _happens(lantern, "campaign.approval_asked", tmp_path, by=team["clara"]) == ["olga", "vera"]


def test_who_brought_a_file_in_is_mailed_how_it_ended(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    for kind in ("subscribers.imported", "subscribers.import.stopped", "subscribers.import.failed"):
        assert _happens(lantern, kind, tmp_path, by=team["olga"]) == ["olga"]
    assert "@reader" not in "".join(_mails(tmp_path)["olga"])


def test_a_mail_is_in_the_language_of_who_gets_it(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    Person.objects.filter(pk=team["vera"].pk).update(language="ru")
    _happens(lantern, "route.dead", tmp_path)
    [mail] = _mails(tmp_path)["vera"]
    assert "=D0=9C=D0=B0=D1=80=D1=88=D1=80=D1=83=D1=82" in mail.replace("=\n", ""), "Маршрут"


def test_a_row_or_event_that_somebody_wrote_mails_nobody(
    lantern: Organization, team: dict[str, Person], tmp_path: Path
) -> None:
    forged = Event.objects.create(organization=lantern, kind="route.dead", about=1, at=NOW, digest=bytes(32))
    ours = record("route.dead", lantern, now=NOW, about=3)
    stranger = Person.objects.create(email_hash=bytes(16), created=NOW.date())
    for event, person in ((forged, team["vera"]), (ours, stranger), (ours, team["dmitri"])):
        Notice.objects.create(event=event, person=person)
    assert notices.take(NOW, lantern.pk) == 0
    assert _mails(tmp_path) == {} and not Notice.objects.exists()
