"""A move is as far as the installation is: each step is done when what it asks for is there, and open when it isn't."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from samizdat.accounts import actions as accounts
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import SUBSCRIBED
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places, dkim_keys, moves
from samizdat.delivery.actions import default_senders, domain_switch, domains, release, send_test
from samizdat.delivery.backup_places import CopyDetails, PlaceDetails
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import MoveRefused
from samizdat.delivery.models import Move, SendingDomain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.moving import actions, announcement, steps, surroundings
from samizdat.moving.steps import MoveStanding, MoveStep
from tests import dkim_judge
from tests.delivery.conftest import House
from tests.dns_server import NameServer
from tests.moving.conftest import ROBOTS, WebServer
from tests.smtp_server import ScriptedServer

OLD, NEW = "lantern.example", "beacon.example"
OLD_URL, NEW_URL = "https://letters.lantern.example", "https://letters.beacon.example"


def _now() -> datetime:
    return datetime.now(UTC)


def _signing(house: House, name: str) -> SendingDomain:
    row = domains.add_domain(house.organization, name, now=_now())
    for key in row.keys.all():
        domains.say_published(key, now=_now())
    domains.activate_published(row, now=_now())
    return row


@pytest.fixture
def sending(house: House, server: ScriptedServer) -> House:
    """Writes from the old domain to three people."""
    house.people(3)
    audience_sql.add_list_totals([(house.list.id, SUBSCRIBED, 3)])
    house.route(server)
    _signing(house, OLD)
    accounts.change_settings(house.organization, by=None, now=_now(), public_url=OLD_URL)
    default_senders.set_for_organization(house.organization, DefaultSender("Lantern", f"news@{OLD}"), now=_now())
    return house


def _begun(house: House, **how: bool) -> None:
    actions.begin(house.organization, NEW_URL, sending_domain=NEW, now=_now(), keeps_server=True, **how)


def _standing(house: House, now: datetime | None = None) -> MoveStanding:
    found = steps.standing(Organization.objects.get(pk=house.organization.pk), now or _now())
    assert found is not None
    return found


def _step(house: House, code: str, now: datetime | None = None) -> MoveStep:
    return next(step for step in _standing(house, now).steps if step.code == code)


def _saw(house: House, **seen: str) -> None:
    """What other people's servers said."""
    moves.change(house.organization, lambda kept: structs.replace(kept, seen=kept.seen | seen))


# --- as it begins ---


def test_a_move_knows_from_where_it_began_and_changes_nothing(sending: House) -> None:
    _begun(sending)
    move = _standing(sending).move
    assert (move.old_url, move.new_url, move.old_domain, move.new_domain) == (OLD_URL, NEW_URL, OLD, NEW)
    assert detail_of(Event.objects.get(kind="move.begun")) == {"from": OLD_URL, "to": NEW_URL, "domain": NEW}
    sending.organization.refresh_from_db()
    assert sending.organization.public_url == OLD_URL


def test_the_same_move_again_goes_on_and_another_one_is_refused(sending: House) -> None:
    _begun(sending)
    before = _standing(sending).move.began
    _begun(sending)
    assert _standing(sending).move.began == before
    with pytest.raises(MoveRefused) as refused:
        actions.begin(sending.organization, "https://elsewhere.example", now=_now())
    assert refused.value.code == "under_way"
    actions.end(sending.organization, now=_now())
    actions.begin(sending.organization, "https://elsewhere.example", now=_now())
    assert _standing(sending).move.new_url == "https://elsewhere.example"


@pytest.mark.parametrize(
    ("to", "domain", "code"),
    [
        (OLD_URL, "", "no_change"),
        (OLD_URL, OLD, "no_change"),
        ("", "", "no_url"),
        (NEW_URL, "no domain", "bad_domain"),
        (NEW_URL, "lantern", "bad_domain"),
    ],
)
def test_a_move_to_nowhere_is_refused(sending: House, to: str, domain: str, code: str) -> None:
    with pytest.raises(MoveRefused) as refused:
        actions.begin(sending.organization, to, sending_domain=domain, keeps_server=True, now=_now())
    assert refused.value.code == code and moves.of(sending.organization) is None


def test_what_somebody_without_keys_wrote_is_no_move(sending: House) -> None:
    _begun(sending)
    Move.objects.update(sealed=b"made up")
    assert moves.of(sending.organization) is None and steps.standing(sending.organization, _now()) is None


# --- its steps ---


def test_each_step_is_done_once_what_it_asks_for_is_there(sending: House, server: ScriptedServer) -> None:
    _begun(sending)
    order = [step.code for step in _standing(sending).steps]
    assert order == [
        "answers", "address", "domain", "dkim", "records", "route", "senders", "warm_up", "old_links", "announcement",
    ]  # fmt: skip
    open_ = {code for code in order if _step(sending, code).state == "open"}
    assert open_ == {*order} - {"route"}, "a route works already"

    _saw(sending, address="pages")
    assert _step(sending, "answers").state == "done"
    accounts.change_settings(sending.organization, by=None, now=_now(), public_url=NEW_URL)
    assert _step(sending, "address").state == "done"
    row = domains.add_domain(sending.organization, NEW, now=_now())
    assert (_step(sending, "domain").state, _step(sending, "dkim").state) == ("done", "open")
    assert [record[:2] for record in _step(sending, "dkim").publish] == [
        ("TXT", key.name) for key in dkim_keys.domain_row(row).keys
    ]
    for key in row.keys.all():
        domains.say_published(key, now=_now())
    domains.activate_published(row, now=_now())
    assert _step(sending, "dkim").state == "done"
    _saw(sending, records="missing")
    assert _step(sending, "records").state == "open"
    _saw(sending, records="there")
    assert _step(sending, "records").state == "done"
    domain_switch.keep_spare(row, now=_now())
    assert "news@" + OLD in _step(sending, "senders").seen
    domain_switch.switch(row, OLD, now=_now())
    assert _step(sending, "senders").state == "done"
    domains.warm_up(row, "standard", now=_now())
    assert _step(sending, "warm_up").state == "done"
    _saw(sending, old_links="redirect")
    [letter] = announcement.draft(sending.organization, now=_now())
    assert f"campaign No. {letter.pk}" in _step(sending, "announcement").seen
    assert _standing(sending).next.code == "announcement"  # type: ignore[union-attr]
    release(letter, now=_now())
    run_campaign(letter.pk, 120)
    assert _standing(sending).next is None


def test_a_step_keeps_the_time_of_its_first_day_and_opens_again_when_it_is_undone(sending: House) -> None:
    _begun(sending)
    _saw(sending, address="pages")
    began = _standing(sending).move.began
    first = _step(sending, "answers", began + timedelta(minutes=12))
    assert first.seconds == 0, "it was seen when it was first looked at"
    moves.change(sending.organization, lambda kept: structs.replace(kept, done={}))
    assert _step(sending, "answers", began + timedelta(minutes=12)).seconds == 720
    assert _step(sending, "answers", began + timedelta(days=2)).seconds == 720
    _saw(sending, address="nothing")
    assert _step(sending, "answers").state == "open"
    _saw(sending, address="pages")
    assert _step(sending, "answers", began + timedelta(days=3)).seconds == 3 * 86_400


def test_a_lost_name_is_said_and_holds_nothing_up(sending: House) -> None:
    _begun(sending)
    _saw(sending, old_links="gone")
    step = _step(sending, "old_links")
    assert (step.state, step.is_settled) == ("lost", True)
    [letter] = announcement.draft(sending.organization, now=_now())
    assert "Links in our earlier emails don’t work any more" in draft_of(letter).body


def test_a_server_is_moved_to_once_it_runs_in_another_place_and_may_send(
    sending: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.begin(sending.organization, NEW_URL, now=_now())
    assert [_step(sending, code).state for code in ("server", "released", "backups")] == ["open"] * 3
    monkeypatch.setattr(steps, "place_now", lambda: "another one")
    Organization.objects.update(sending_locked=True)
    assert [_step(sending, code).state for code in ("server", "released", "backups")] == ["done", "open", "open"]
    Organization.objects.update(sending_locked=False)
    place = backup_places.add(PlaceDetails(url="/backups", added=_now()))
    backup_places.note_copy(place.number, _copy(_now() - timedelta(days=1)))
    assert [_step(sending, code).state for code in ("released", "backups")] == ["done", "open"]
    backup_places.note_copy(place.number, _copy(_now() + timedelta(minutes=1)))
    assert _step(sending, "backups").state == "done"


def _copy(made: datetime) -> CopyDetails:
    return CopyDetails(path=f"sets/{made:%H%M%S}.age", made=made, kind=FULL, bytes=1, rows=1)


# --- what other people's servers say ---


def test_names_are_asked_where_they_lead(sending: House, web: WebServer, names: NameServer) -> None:
    old, new = web.url("old.example"), web.url("new.example")

    def reach(url: str) -> str:
        return surroundings.reach(url, new, web.resolve, web.permit)

    assert reach(old) == "gone"
    names.broken = True
    assert reach(old) == "nothing", "where no name server answers, nobody knows"
    web.sites["new.example"] = (200, ROBOTS)
    web.sites["old.example"] = (308, new)
    assert (reach(new), reach(old)) == ("pages", "redirect")
    web.sites["old.example"] = (200, "Welcome to our parking page")
    assert reach(old) == "other"
    web.sites["squatter.example"] = (200, "")
    web.sites["old.example"] = (301, web.url("squatter.example"))
    assert reach(old) == "other"
    web.sites["old.example"] = (503, "")
    assert reach(old) in ("other", "nothing")
    assert surroundings.reach(new, "", web.resolve, lambda _address: False) == "inside"


def test_a_look_is_kept_with_the_move(sending: House, web: WebServer) -> None:
    _begun(sending)
    surroundings.look(sending.organization, _now(), lambda *_: [], web.permit)
    move = _standing(sending).move
    assert move.seen == {"address": "gone", "old_links": "gone", "records": ""} and move.looked
    row = _signing(sending, NEW)
    surroundings.look(sending.organization, _now(), lambda *_: [], web.permit)
    standing = _standing(sending)
    assert standing.move.seen["records"] == "missing"
    published = {name for step in standing.steps for _kind, name, _value in step.publish}
    assert {f"_dmarc.{NEW}", *(key.name for key in dkim_keys.domain_row(row).keys)} <= published
    domains.allow_without_records(row, "a strike", now=_now())
    surroundings.look(sending.organization, _now(), lambda *_: [], web.permit)
    assert _step(sending, "records").state == "done"


# --- the announcement ---


def test_the_announcement_is_signed_by_both_domains_and_nothing_else_is(sending: House, server: ScriptedServer) -> None:
    row = _signing(sending, NEW)
    _begun(sending)
    domain_switch.keep_spare(row, now=_now())
    domain_switch.switch(row, OLD, now=_now())
    records = {key.name: key.text for domain in dkim_keys.domains(sending.organization) for key in domain.keys}
    [letter] = announcement.draft(sending.organization, now=_now())
    draft = draft_of(letter)
    assert draft.from_email == f"news@{NEW}" and NEW in draft.subject
    assert f"both domains, {OLD} and {NEW}" in draft.body and f"news@{OLD}" in draft.body
    send_test(letter, ["reader1001@mail0.example"], now=_now())
    release(letter, now=_now())
    assert run_campaign(letter.pk, 120)["accepted"] == 3
    assert len(server.messages) == 4
    for caught in server.messages:
        assert _signers(caught.content) == [NEW, NEW, OLD, OLD]
        assert dkim_judge.verdicts(caught.content, records) == ["pass"] * 4
        assert dkim_judge.dkimpy_says(caught.content, records) == [True] * 4
    for domain in (OLD, NEW):
        sending.domain = domain
        other = sending.draft()
        release(Campaign.objects.get(pk=other.pk), now=_now())
        run_campaign(other.pk, 120)
        assert {*_signers(server.messages[-1].content)} == {domain}, "that which it is from, as it was written"


def _signers(content: bytes) -> list[str]:
    fields, _body = dkim_judge.taken_apart(content)
    heads = [value.decode() for name, value in fields if name.lower() == b"dkim-signature"]
    return [head.partition(" d=")[2].partition(";")[0] for head in heads]


def test_without_the_old_keys_the_new_domain_signs_alone(sending: House, server: ScriptedServer) -> None:
    row = _signing(sending, NEW)
    _begun(sending)
    domain_switch.keep_spare(row, now=_now())
    domain_switch.switch(row, OLD, now=_now())
    old = dkim_keys.domain_named(sending.organization, OLD)
    assert old is not None
    domains.remove_domain(old, now=_now())
    [letter] = announcement.draft(sending.organization, now=_now())
    assert "both domains" not in draft_of(letter).body
    release(letter, now=_now())
    run_campaign(letter.pk, 120)
    assert _signers(server.messages[-1].content) == [NEW, NEW]


def test_each_list_gets_one_announcement_however_often_it_is_asked_for(sending: House) -> None:
    _begun(sending)
    [first] = announcement.draft(sending.organization, now=_now())
    assert [campaign.pk for campaign in announcement.draft(sending.organization, now=_now())] == [first.pk]
    assert Event.objects.filter(kind="move.announced").count() == 1
    Campaign.objects.filter(pk=first.pk).delete()
    [second] = announcement.draft(sending.organization, now=_now())
    assert second.pk != first.pk


def test_the_announcement_is_in_the_language_of_the_organization(sending: House) -> None:
    accounts.change_settings(sending.organization, by=None, now=_now(), language="ru")
    sending.organization.refresh_from_db()
    _begun(sending)
    [letter] = announcement.draft(sending.organization, now=_now())
    draft = draft_of(letter)
    assert letter.language == "ru" and "Здравствуйте" in draft.body and "Ничего делать не нужно" in draft.body
