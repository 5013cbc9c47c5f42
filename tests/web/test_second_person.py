"""A second person's yes: asked for, given to what was seen, asked again after a change, looked at by the release."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from samizdat import dbclock
from samizdat.accounts import locking
from samizdat.accounts.actions import change_settings, give_role, remove_person
from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience import queries, removal_limit
from samizdat.audience.actions.rectification import LetterUnderWay, correct_address
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import MONTHLY, ConsentRecord, Subscriber, SubscriberTag, Subscription, Tag
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.campaigns import ab_test, agreed_people, approval, content, edition_details, translations
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.approval import NotApproved, agree, standing
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import ContentHasProblems, DraftChangedMeanwhile
from samizdat.campaigns.models import Approval, Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.render import Content
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.actions import cancel, release, releasing, resume, second_person, start_due
from samizdat.delivery.errors import NotReleasable
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.worker.schedule.event_handlers import follow
from tests.conftest import NOW
from tests.web.conftest import CONSENT, House, make_person
from tests.web.test_release import Desk, _settings, _to, quiet_names  # noqa: F401 - a fixture


@pytest.fixture
def strict(here: House) -> House:
    change_settings(here.organization, by=None, now=NOW, requires_approval=True)
    return here


def test_a_letter_waits_until_somebody_else_agreed(here: House, desk: Desk) -> None:
    vera, clara = desk("admin"), desk("editor")
    vera.post(_to(here, "settings"), _settings(here, requires_approval="on"))
    address = _to(here, "send", here.campaign.pk)
    page = clara.get(address).content.decode()
    assert "Not approved yet" in page and "btn final" not in page
    assert clara.post(address, {"when": "now"}).status_code == 422
    clara.post(_to(here, "request-approval", here.campaign.pk))
    asked = clara.get(address).content.decode()
    assert "Clara requested approval: " in asked and "Request approval" not in asked
    waits = "“What the river took” is waiting for approval"
    assert waits in vera.get(_to(here, "home")).content.decode()
    assert waits not in clara.get(_to(here, "home")).content.decode()
    vera.post(
        _to(here, "approve", here.campaign.pk), {"seen": approval.bond_of(open_campaign(here.campaign)), "people": "10"}
    )
    assert waits not in vera.get(_to(here, "home")).content.decode()
    given = vera.get(address).content.decode()
    assert "Someone else has to send it" in given and "You approved this text and audience" in given
    assert vera.post(address, {"when": "now"}).status_code == 422
    assert "Vera approved this text and audience" in clara.get(address).content.decode()
    clara.post(address, {"when": "now"})
    here.campaign.refresh_from_db()
    assert here.campaign.state == "held"


@pytest.mark.parametrize("who", ["admin", "nobody"])
def test_nobody_releases_what_they_agreed_to_by_writing_into_the_database_that_somebody_else_did(
    strict: House, who: str
) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    agree(letter, approval.bond_of(open_campaign(letter)), by=clara, now=NOW)
    people = [field.name for field in Approval._meta.fields if field.related_model is Person]
    Approval.objects.update(**dict.fromkeys(people, strict.people.get(who)))
    with pytest.raises(NotApproved, match="someone else has to send it"):
        release(letter, now=NOW, by=clara)


@pytest.mark.parametrize("what", ["gone", "removed", "locked", "made viewer"])
def test_a_yes_of_somebody_who_may_not_write_any_more_is_nobodys(strict: House, what: str) -> None:
    letter, house = strict.campaign, strict.organization
    olga = make_person("Olga", "olga@lantern.example", house, "editor")
    agree(letter, approval.bond_of(open_campaign(letter)), by=olga, now=NOW)
    assert standing(open_campaign(letter)).state == "given"
    if what == "gone":
        olga.delete()
    elif what == "removed":
        remove_person(olga, house, by=None, now=NOW)
    elif what == "locked":
        locking.lock(olga, house, by=None, now=NOW)
    else:
        give_role(olga, house, "viewer", by=None, now=NOW)
    assert standing(open_campaign(letter)).state == "none"
    for by in (strict.people["editor"], None):
        with pytest.raises(NotApproved, match="approv"):
            release(letter, now=NOW, by=by)


def _ended(here: House, what: str) -> None:
    clara, house = here.people["editor"], here.organization
    if what == "removed":
        remove_person(clara, house, by=None, now=NOW)
    else:
        give_role(clara, house, what, by=None, now=NOW)
    assert follow(NOW)


@pytest.mark.parametrize("what", ["removed", "viewer"])
def test_what_somebody_scheduled_waits_for_a_look_once_they_may_send_no_more(
    here: House, desk: Desk, what: str
) -> None:
    letter, at, admin = here.campaign, NOW + timedelta(days=2), here.people["admin"]
    release(letter, now=NOW, by=here.people["editor"], at=at)
    _ended(here, what)
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("paused", "sender_left")
    assert Event.objects.filter(kind="campaign.sender_left", about=letter.pk).count() == 1
    home = desk("admin").get(_to(here, "home")).content.decode()
    assert "The person who scheduled it can no longer send campaigns." in home
    assert start_due(at) == 0
    resume(letter, now=NOW, by=admin)
    assert (letter.state, letter.not_before) == ("scheduled", at)
    give_role(here.people["editor"], here.organization, "viewer", by=None, now=NOW + timedelta(hours=1))
    follow(NOW)
    assert start_due(at) == 1, "an admin has let it go"


def test_who_may_still_send_keeps_what_they_scheduled(here: House) -> None:
    letter, clara = here.campaign, here.people["editor"]
    give_role(clara, here.organization, "admin", by=None, now=NOW)
    release(letter, now=NOW, by=clara, at=NOW + timedelta(days=2))
    _ended(here, "editor")
    letter.refresh_from_db()
    assert letter.state == "scheduled"


def test_what_a_second_person_approved_goes_at_its_time_without_who_scheduled_it(strict: House) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)
    release(letter, now=NOW, by=clara, at=NOW + timedelta(days=2))
    _ended(strict, "removed")
    letter.refresh_from_db()
    assert letter.state == "scheduled"


@pytest.mark.parametrize("what", ["text", "audience", "segment"])
def test_a_change_asks_again_and_the_release_itself_refuses(strict: House, what: str) -> None:
    letter, vera, clara = strict.campaign, strict.people["admin"], strict.people["editor"]
    part = audience.add_segment(strict.organization, "Some", ListCondition(strict.list.pk), now=NOW)
    campaigns.save(letter, draft_of(letter), version=letter.version, by=clara, now=NOW, segment=part)
    agree(letter, approval.bond_of(open_campaign(letter)), by=vera, now=NOW)
    with pytest.raises(NotApproved, match="someone else has to send it"):
        release(letter, now=NOW, by=vera)
    if what == "segment":
        audience.change_segment(part, "Some", LanguageCondition("ru"), version=part.version, now=NOW)
    else:
        changes: Any = {"segment": None} if what == "audience" else {}
        draft = draft_of(letter).with_(subject="Another" if what == "text" else "What the river took")
        campaigns.save(letter, draft, version=letter.version, by=clara, now=NOW, **changes)
    letter = Campaign.objects.get(pk=letter.pk)
    assert standing(open_campaign(letter)).state == "changed"
    for by in (clara, None):  # The command line goes no other way.
        with pytest.raises(NotApproved, match="changed since"):
            release(letter, now=NOW, by=by)
    letter.refresh_from_db()
    assert letter.state == "draft"


@pytest.mark.parametrize("what", ["stand-in", "renamed fields", "postal address", "name", "list", "reminder"])
def test_whatever_else_the_letter_says_is_agreed_to_as_well(strict: House, what: str) -> None:
    letter, home, clara = strict.campaign, strict.organization, strict.people["editor"]
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)
    evil = "Confirm by tonight"
    if what == "stand-in":
        first = next(view for view in queries.fields(home) if view.tag == "FNAME")
        audience.change_field(home, first.number, tag="FNAME", label=first.label, default=evil, now=NOW, by=clara)
    elif what == "renamed fields":
        first = next(view for view in queries.fields(home) if view.tag == "FNAME")
        remark = audience.add_field(home, "REMARK", "", default=first.default, now=NOW)
        assert standing(open_campaign(letter)).state == "given", "a new field that it doesn't say asks nobody again"
        _rename(home, first.number, "OLD", first.default)
        _rename(home, remark, "FNAME", first.default)
    elif what in ("postal address", "name"):
        change_settings(home, by=None, now=NOW, **{what.replace(" ", "_"): evil})
    elif what == "list":
        audience.rename_list(letter.list, evil, now=NOW, by=clara)
    else:
        audience.change_list(letter.list, ListDetails(reminder=evil), now=NOW, by=clara)
    with pytest.raises(NotApproved, match="changed since"):
        release(Campaign.objects.get(pk=letter.pk), now=NOW, by=clara)


def test_a_yes_is_to_what_the_page_showed_and_not_to_what_stands_when_it_is_pressed(strict: House, desk: Desk) -> None:
    page = desk("admin").get(_to(strict, "send", strict.campaign.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people)" value="(\w+)"', page))
    audience.rename_list(strict.campaign.list, "Confirm at once", now=NOW, by=strict.people["editor"])
    answer = desk("admin").post(_to(strict, "approve", strict.campaign.pk), shown, follow=True).content.decode()
    assert "The campaign was changed since you opened this page" in answer
    assert standing(open_campaign(strict.campaign)).state == "none"


def test_a_yes_that_was_given_long_ago_lets_nothing_go(strict: House, desk: Desk) -> None:
    letter, clara, admin = strict.campaign, strict.people["editor"], strict.people["admin"]
    agree(letter, approval.bond_of(open_campaign(letter)), by=admin, now=NOW - timedelta(days=31))
    with pytest.raises(NotApproved, match="The approval from 25 October 2026 is too old"):
        release(letter, now=NOW, by=clara)
    assert standing(open_campaign(letter)).state == "given", "to a letter that went it stays"
    page = desk("editor").get(_to(strict, "send", letter.pk)).content.decode()
    assert "The approval has expired" in page and "btn final" not in page
    agree(letter, approval.bond_of(open_campaign(letter)), by=admin, now=NOW - timedelta(days=30))
    assert release(letter, now=NOW, by=clara).state == "sending"


def test_a_letter_that_was_to_stand_in_no_archive_is_asked_about_again_once_it_shall(strict: House) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    Campaign.objects.filter(pk=letter.pk).update(archive_hidden=True)
    letter.refresh_from_db()
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)
    Campaign.objects.filter(pk=letter.pk).update(archive_hidden=False)
    with pytest.raises(NotApproved, match="changed since"):
        release(Campaign.objects.get(pk=letter.pk), now=NOW, by=clara)


def _for_the_board(strict: House, agreed: bool = True) -> tuple[Campaign, str]:
    """A letter to a tag of one person, to which the admin agreed; the name of the tag."""
    letter, clara = strict.campaign, strict.people["editor"]
    volunteers = Tag.objects.get(pk=dict(map(reversed, queries.tags(strict.organization)))["volunteer"])
    campaigns.save(letter, draft_of(letter), version=letter.version, by=clara, now=NOW, tag=volunteers)
    letter = Campaign.objects.get(pk=letter.pk)
    if agreed:
        second_person.agree(letter, approval.bond_of(open_campaign(letter)), 1, by=strict.people["admin"], now=NOW)
    return letter, "volunteer"


def test_a_yes_to_a_letter_for_a_few_is_none_to_one_for_others(strict: House) -> None:
    letter, tag = _for_the_board(strict)
    boris = audience.add_subscriber(strict.organization, "boris@example.org", strict.list, consent=CONSENT, now=NOW)
    audience.add_tags(boris, [tag], now=NOW, by=strict.people["editor"])
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=strict.people["editor"])
    letter.refresh_from_db()
    assert letter.state == "draft"


@pytest.mark.parametrize("who", ["a newcomer", "whoever was here", "whoever was here, by a changed record"])
def test_of_a_larger_group_a_newcomer_may_get_it_and_nobody_whose_row_says_that_they_are_new(
    strict: House, who: str
) -> None:
    letter, tag = _for_the_board(strict, agreed=False)
    before = NOW - timedelta(days=9)

    def subscriber(name: str, now: datetime = before) -> Subscriber:
        address = f"{name}@example.org"
        return audience.add_subscriber(strict.organization, address, strict.list, consent=CONSENT, now=now)

    for number in range(20):
        audience.add_tags(subscriber(f"board{number}"), [tag], now=before, by=None)
    late = subscriber("late", NOW if who == "a newcomer" else before)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 21, by=strict.people["admin"], now=NOW)
    SubscriberTag.objects.create(subscriber=late, tag=letter.tag)
    Subscriber.objects.filter(pk=late.pk).update(joined=NOW.date())
    if "record" in who:
        ConsentRecord.objects.filter(subscriber=late).update(day=NOW.date())
    if who == "a newcomer":
        assert release(letter, now=NOW, by=strict.people["editor"]).state != "draft"
        return
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=strict.people["editor"])


def test_a_yes_to_a_letter_for_a_few_is_none_to_another_mailbox_of_theirs(strict: House) -> None:
    letter, _tag = _for_the_board(strict)
    reader, later = Subscriber.objects.get(subscribertag__tag=letter.tag), NOW + timedelta(minutes=1)
    audience.correct_address(reader, "ada@evil.example", now=later, by=strict.people["editor"])
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=later, by=strict.people["editor"])
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 1, by=strict.people["admin"], now=later)
    release(letter, now=later, by=strict.people["editor"], at=later + timedelta(days=1))
    with pytest.raises(LetterUnderWay):
        audience.correct_address(reader, "ada@wrong.example", now=later, by=strict.people["editor"])
    other = Subscriber.objects.exclude(id=reader.id)[0]
    assert audience.correct_address(other, "other@wrong.example", now=later, by=strict.people["editor"])
    cancel(Campaign.objects.get(pk=letter.pk), now=later)
    assert audience.correct_address(reader, "ada@wrong.example", now=later, by=strict.people["editor"])


def test_a_mailbox_that_is_changed_while_a_letter_is_released_gets_none_for_a_few(
    strict: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter, _tag = _for_the_board(strict)
    reader, genuine = Subscriber.objects.get(subscribertag__tag=letter.tag), releasing.settle_what_counts

    def slow(*given: Any) -> None:
        later = NOW + timedelta(seconds=1)
        assert audience.correct_address(reader, "ada@evil.example", now=later, by=strict.people["editor"])
        genuine(*given)

    monkeypatch.setattr(releasing, "settle_what_counts", slow)
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=strict.people["editor"])
    letter.refresh_from_db()
    assert letter.state == "draft"


def test_a_yes_to_a_letter_for_a_list_is_none_to_whoever_is_brought_into_it(strict: House) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 10, by=strict.people["admin"], now=NOW)
    for number in range(3):
        address = f"made{number}@example.org"
        audience.add_subscriber(strict.organization, address, strict.list, consent=CONSENT, now=NOW, by=clara)
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=clara)


def test_of_many_people_a_yes_keeps_how_many_they_were(strict: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreed_people, "NAMED", 0)
    letter, clara = strict.campaign, strict.people["editor"]
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 10, by=strict.people["admin"], now=NOW)
    audience.add_subscriber(strict.organization, "made@example.org", strict.list, consent=CONSENT, now=NOW, by=clara)
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=clara)


def test_of_many_people_others_in_their_place_are_none_that_were_agreed_to(
    strict: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a tag, of which a sample is kept, 60 are led to 60 others, as many as before."""
    monkeypatch.setattr(agreed_people, "NAMED", 30)
    letter, tag = _for_the_board(strict, agreed=False)
    people = [
        audience.add_subscriber(
            strict.organization, f"reader{number}@example.org", strict.list, consent=CONSENT, now=NOW
        )
        for number in range(120)
    ]
    for person in people[:60]:
        audience.add_tags(person, [tag], now=NOW)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 61, by=strict.people["admin"], now=NOW)
    for there, here in zip(people[:60], people[60:], strict=True):
        audience.remove_tags(there, [tag], now=NOW)
        audience.add_tags(here, [tag], now=NOW)
    with pytest.raises(NotApproved, match="The recipients are no longer the ones that were approved"):
        release(letter, now=NOW, by=strict.people["editor"])
    for there, here in zip(people[:60], people[60:], strict=True):
        audience.add_tags(there, [tag], now=NOW)
        audience.remove_tags(here, [tag], now=NOW)
    release(letter, now=NOW, by=strict.people["editor"])
    letter.refresh_from_db()
    assert letter.state == "sending" and letter.frozen == 61


def test_a_sample_of_a_million_is_small_quick_and_takes_a_usual_week_for_the_same() -> None:
    """New subscribers are one of a hundred; of others one of ten is seen however they were chosen."""
    chance = random.Random(7)
    people = sorted(chance.sample(range(1 << 39), 1_000_000))
    agreed = agreed_people.agreed_audience(people)
    assert len(agreed.people) < 50_000
    kept = dict.fromkeys(unpack_numbers(agreed.people), 0)
    week, led = (agreed_people._AgreedNumbers(len(people), kept, len(people), agreed.draw) for _ in range(2))
    week.compare(people[10_000:] + [number + (1 << 39) for number in people[:20_000]])
    led.compare(people[100_000:] + [number + (1 << 39) for number in people[:100_000]])
    assert not week.grew and led.grew


def test_a_letter_for_a_few_goes_to_fewer_than_were_agreed_to(strict: House) -> None:
    letter, _tag = _for_the_board(strict)
    release(letter, now=NOW, by=strict.people["editor"])
    letter.refresh_from_db()
    assert letter.state == "sending" and letter.frozen == 1


@pytest.mark.parametrize("named", [agreed_people.NAMED, 0])
@pytest.mark.parametrize("what", ["given", "taken"])
def test_who_carries_a_tag_that_the_text_asks_for_is_part_of_the_yes(
    strict: House, what: str, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreed_people, "NAMED", named)
    monkeypatch.setattr(agreed_people, "KEPT", 4 * named)
    letter, clara, olga = strict.campaign, strict.people["editor"], strict.people["admin"]
    boris, *_others = (
        audience.add_subscriber(strict.organization, f"{name}@example.org", strict.list, consent=CONSENT, now=NOW)
        for name in ("boris", "inna", "gleb", "nina")
    )
    if what == "taken":
        audience.add_tags(boris, ["volunteer"], now=NOW)
    written = draft_of(letter).with_(
        body='News. {% if tagged "volunteer" %}We meet at 7.{% endif %}', format="markdown"
    )
    campaigns.save(letter, written, version=letter.version, by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 20, by=olga, now=NOW)
    (audience.add_tags if what == "given" else audience.remove_tags)(boris, ["volunteer"], now=NOW, by=clara)
    with pytest.raises(NotApproved, match="A tag that decides who sees part"):
        release(letter, now=NOW, by=clara)
    (audience.remove_tags if what == "given" else audience.add_tags)(boris, ["volunteer"], now=NOW, by=clara)
    assert release(letter, now=NOW, by=clara).state == "sending"


@pytest.mark.parametrize("named", [agreed_people.NAMED, 0])
def test_for_whom_a_condition_on_a_field_holds_is_part_of_the_yes(
    strict: House, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreed_people, "NAMED", named)
    monkeypatch.setattr(agreed_people, "KEPT", 4 * named)
    letter, clara, olga = strict.campaign, strict.people["editor"], strict.people["admin"]
    boris = audience.add_subscriber(strict.organization, "boris@example.org", strict.list, consent=CONSENT, now=NOW)
    audience.add_field(strict.organization, "TEAM", "", now=NOW)
    written = draft_of(letter).with_(body="News. *|IF:TEAM=board|*We meet at 7.*|END:IF|*", format="markdown")
    campaigns.save(letter, written, version=letter.version, by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 20, by=olga, now=NOW)
    audience.change_values(boris, {"TEAM": "board"}, now=NOW)
    with pytest.raises(NotApproved, match="A field that decides who sees part"):
        release(letter, now=NOW, by=clara)
    audience.change_values(boris, {"TEAM": "the readers"}, now=NOW)
    assert release(letter, now=NOW, by=clara).state == "sending", "what changes nothing of who reads it is no matter"


def test_for_whose_address_a_condition_holds_is_part_of_the_yes(strict: House) -> None:
    letter, clara, later = strict.campaign, strict.people["editor"], NOW + timedelta(minutes=1)
    spy, *_others = (
        audience.add_subscriber(strict.organization, f"p{n}@post.example", strict.list, consent=CONSENT, now=NOW)
        for n in range(25)
    )
    asks = "*|IF:EMAIL=p0@post.example|*Nothing new.*|ELSE:|*The raid is on Tuesday.*|END:IF|*"
    campaigns.save(
        letter, draft_of(letter).with_(body=asks, format="markdown"), version=letter.version, by=clara, now=NOW
    )
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 30, by=strict.people["admin"], now=NOW)
    audience.correct_address(spy, "p0+1@post.example", now=later, by=clara)
    with pytest.raises(NotApproved, match="A field that decides who sees part"):
        release(letter, now=later, by=clara)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 30, by=strict.people["admin"], now=later)
    letter = release(letter, now=later, by=clara, at=later + timedelta(days=1))
    assert len(edition_details.opened(keyring.keys(strict.organization), letter.edition).asked) == 1


def _asking(prefix: str, many: int) -> str:
    turns = "".join(f"*|{'ELSE' if number else ''}IF:FNAME!={prefix}{number}|*x" for number in range(many))
    return f"News. {turns}*|END:IF|*"


@pytest.mark.parametrize("where", ["in the campaign", "in its versions together"])
def test_nobody_agrees_to_or_sends_a_letter_that_asks_more_of_its_readers_than_is_kept_of_each(
    strict: House, desk: Desk, where: str
) -> None:
    """What each of thousands of conditions is for each reader took a gigabyte of the app's memory."""
    letter, clara, vera = strict.campaign, strict.people["editor"], strict.people["admin"]
    many = 101 if where == "in the campaign" else 60
    written = draft_of(letter).with_(body=_asking("a", many), format="markdown")
    campaigns.save(letter, written, version=letter.version, by=clara, now=NOW)
    if "versions" in where:
        other = translations.add(Campaign.objects.get(pk=letter.pk), "uk", by=clara, now=NOW)
        written = draft_of(other).with_(body=_asking("b", 60), format="markdown")
        campaigns.save(other, written, version=other.version, by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    sentence = "There are more than 100 different conditions, in all versions together."
    assert sentence in desk("editor").get(_to(strict, "send", letter.pk)).content.decode()
    seen = {"seen": approval.bond_of(open_campaign(letter)), "people": "20"}
    assert sentence in desk("admin").post(_to(strict, "approve", letter.pk), seen, follow=True).content.decode()
    assert standing(open_campaign(letter)).state == "none"
    agree(letter, seen["seen"], by=vera, now=NOW)
    with pytest.raises(ContentHasProblems, match="more than 100 different conditions"):
        release(letter, now=NOW, by=clara)


def test_a_letter_may_ask_for_a_hundred_towns(strict: House) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    written = draft_of(letter).with_(body=_asking("a", 100) + _asking("a", 100), format="markdown")
    campaigns.save(letter, written, version=letter.version, by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 20, by=strict.people["admin"], now=NOW)
    assert release(letter, now=NOW, by=clara).state == "sending"


def _but_for_the_board(strict: House, kind: str) -> tuple[Campaign, list[Subscriber], list[Subscriber]]:
    """A letter that everybody agreed to but 3 of 41 read a greeting of: those 3 read where the raid is."""
    letter, home, before = strict.campaign, strict.organization, NOW - timedelta(days=9)
    audience.add_field(home, "TEAM", "", now=before)
    people = [
        audience.add_subscriber(home, f"reader{number}@example.org", strict.list, consent=CONSENT, now=before)
        for number in range(40)
    ]
    for reader in [*people[3:], Subscriber.objects.get(pk=strict.ada.pk)]:
        if kind == "tag":
            audience.add_tags(reader, ["reader"], now=before)
        else:
            audience.change_values(reader, {"TEAM": "reader"}, now=before)
    asks = {
        "tag": '{% if tagged "reader" %}Hello.{% else %}The raid is on Tuesday.{% endif %}',
        "field": "*|IF:TEAM=reader|*Hello.*|ELSE:|*The raid is on Tuesday.*|END:IF|*",
    }
    written = draft_of(letter).with_(body=asks[kind], format="markdown")
    campaigns.save(letter, written, version=letter.version, by=strict.people["editor"], now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 41, by=strict.people["admin"], now=NOW)
    return letter, people[:3], people[3:]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_address_is_corrected_without_opening_approvals_while_everybody_else_waits(
    strict: House, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """But for that of a campaign that was released in the moment between the look and the correction."""
    letter, _tag = _for_the_board(strict)
    reader, later = Subscriber.objects.get(subscribertag__tag=letter.tag), NOW + timedelta(minutes=1)
    clara, opened, waits = strict.people["editor"], list[bool](), list[bool]()
    limited, binds = removal_limit.limited, approval._binds

    def schedule() -> None:
        release(letter, now=NOW, by=clara, at=later + timedelta(days=1))

    @contextmanager
    def transaction(*given: Any, **named: Any) -> Iterator[None]:
        if when == "meanwhile":
            schedule()
        with limited(*given, **named):
            waits.append(True)
            yield

    def watched(row: Approval, number: int) -> bool:
        opened.append(bool(waits))
        return binds(row, number)

    monkeypatch.setattr(removal_limit, "limited", transaction)
    monkeypatch.setattr(approval, "_binds", watched)
    if when == "before":
        schedule()
    with pytest.raises(LetterUnderWay):
        audience.correct_address(reader, "ada@evil.example", now=later, by=clara)
    assert opened == [when == "meanwhile"]


@pytest.mark.parametrize("named", [agreed_people.NAMED, 10])
@pytest.mark.parametrize("kind", ["tag", "field"])
def test_nobody_who_loses_a_tag_or_a_value_after_the_yes_reads_what_was_for_those_without(
    strict: House, kind: str, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where of more people than are named those without are few."""
    monkeypatch.setattr(agreed_people, "NAMED", named)
    letter, _board, readers = _but_for_the_board(strict, kind)
    clara, spy = strict.people["editor"], readers[7]

    def has(tag: str) -> None:
        if kind == "field":
            audience.change_values(spy, {"TEAM": tag}, now=NOW)
        else:
            (audience.add_tags if tag == "reader" else audience.remove_tags)(spy, ["reader"], now=NOW, by=clara)

    has("none")
    with pytest.raises(NotApproved, match=f"A {kind} that decides who sees part"):
        release(letter, now=NOW, by=clara)
    has("reader")
    assert release(letter, now=NOW, by=clara).state == "sending"


def test_whoever_joins_after_the_yes_may_read_what_is_for_those_without_a_tag(strict: House) -> None:
    letter, *_people = _but_for_the_board(strict, "tag")
    for number in range(2):
        new = f"new{number}@example.org"
        audience.add_subscriber(strict.organization, new, strict.list, consent=CONSENT, now=NOW)
    assert release(letter, now=NOW, by=strict.people["editor"]).state == "sending"


@pytest.mark.parametrize("kind", ["tag", "field"])
def test_what_is_for_the_few_without_a_tag_goes_to_no_other_mailbox_of_theirs(strict: House, kind: str) -> None:
    letter, board, readers = _but_for_the_board(strict, kind)
    clara, later = strict.people["editor"], NOW + timedelta(minutes=1)
    audience.correct_address(board[0], "spy@evil.example", now=later, by=clara)
    with pytest.raises(NotApproved, match=f"A {kind} that decides who sees part"):
        release(letter, now=later, by=clara)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 41, by=strict.people["admin"], now=later)
    release(letter, now=later, by=clara, at=later + timedelta(days=1))
    with pytest.raises(LetterUnderWay):
        audience.correct_address(board[1], "spy2@evil.example", now=later, by=clara)


def test_of_a_large_list_a_yes_names_the_few_with_or_without_a_tag_and_stays_small() -> None:
    """A hundred conditions of which each half is the smaller one: no more than four times whom a sample holds."""
    people = range(1, 100_001)
    without = dict.fromkeys(people, (1 << 100) - 1)
    for place in range(100):
        for number in range(place * 900 + 1, place * 900 + 901):
            without[number] ^= 1 << place
    agreed = agreed_people.agreed_audience(people, [*range(1, 101)], without)
    assert len(agreed.people) + len(agreed.masks) < 500_000
    assert sum(part.is_named for part in agreed.parts) >= 16
    few = dict.fromkeys(range(1, 13), 1 << 1) | dict.fromkeys(range(13, 100001), 1)
    agreed = agreed_people.agreed_audience(people, [1, 2], few)
    assert [part.is_named for part in agreed.parts] == [True, True]
    assert {*range(1, 13)} <= {*unpack_numbers(agreed.people)}


def test_which_of_its_languages_each_of_them_reads_is_part_of_the_yes(strict: House) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    translations.add(letter, "uk", by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 20, by=strict.people["admin"], now=NOW)
    Subscriber.objects.filter(pk=strict.ada.pk).update(language="uk")
    with pytest.raises(NotApproved, match="A subscriber’s language has changed"):
        release(letter, now=NOW, by=clara)
    Subscriber.objects.filter(pk=strict.ada.pk).update(language="de")
    assert release(letter, now=NOW, by=clara).state == "sending", "they get the same version as before"


def test_a_field_that_most_have_keeps_nobody_from_correcting_an_address(strict: House) -> None:
    letter, clara, home = strict.campaign, strict.people["editor"], strict.organization
    for number in range(20):
        new = audience.add_subscriber(home, f"r{number}@example.org", strict.list, consent=CONSENT, now=NOW)
        audience.change_values(new, {"FNAME": "Rita"}, now=NOW)
    written = draft_of(letter).with_(body="*|IF:FNAME|*Dear *|FNAME|*,*|END:IF|* news.", format="markdown")
    campaigns.save(letter, written, version=letter.version, by=clara, now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 30, by=strict.people["admin"], now=NOW)
    correct_address(new, "rita@example.org", now=NOW, by=clara)
    assert release(letter, now=NOW, by=clara).state == "sending"


def test_a_passage_for_all_but_a_tag_is_agreed_to_again_once_the_tag_is_gone(strict: House) -> None:
    """Its carriers would read it as well."""
    letter, clara = strict.campaign, strict.people["editor"]
    ada = Subscriber.objects.get(pk=strict.ada.pk)
    audience.add_tags(ada, ["Group: Board", "Group: Press"], now=NOW)
    text = "News. *|INTERESTED:Group:Board|*Yes.*|ELSE:|*The board knows nothing.*|END:INTERESTED|*"
    campaigns.save(
        letter, draft_of(letter).with_(body=text, format="markdown"), version=letter.version, by=clara, now=NOW
    )
    letter = Campaign.objects.get(pk=letter.pk)
    second_person.agree(letter, approval.bond_of(open_campaign(letter)), 20, by=strict.people["admin"], now=NOW)
    audience.remove_tag(queries.tag_named(strict.organization, "Group: Board"), now=NOW, by=clara)
    with pytest.raises(NotApproved, match="changed since"):
        release(letter, now=NOW, by=clara)


def test_a_passage_for_a_few_is_agreed_to_again_once_its_field_is_another_one(strict: House, desk: Desk) -> None:
    letter, home = strict.campaign, strict.organization
    team, kind = (audience.add_field(home, tag, "", now=NOW) for tag in ("TEAM", "KIND"))
    written = draft_of(letter).with_(body="News. *|IF:TEAM=board|*We meet at 7.*|END:IF|*", format="markdown")
    campaigns.save(letter, written, version=letter.version, by=strict.people["editor"], now=NOW)
    letter = Campaign.objects.get(pk=letter.pk)
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)
    page = desk("editor").get(_to(strict, "send", letter.pk)).content.decode()
    _rename(home, team, "OLD")
    _rename(home, kind, "TEAM")
    assert standing(open_campaign(letter)).state == "changed"
    change_settings(home, by=None, now=NOW, requires_approval=False)
    shown = dict(re.findall(r'name="(seen|people)" value="(\w+)"', page))
    answer = desk("editor").post(_to(strict, "send", letter.pk), shown | {"when": "now"}).content.decode()
    assert "The campaign was changed while it was being prepared" in answer, "nor is it what the page showed"
    letter.refresh_from_db()
    assert letter.state == "draft"


def _rename(home: Organization, number: int, tag: str, default: str = "") -> None:
    audience.change_field(home, number, tag=tag, label="", default=default, now=NOW)


def _tag_in_the_database(here: House, name: str) -> None:
    """Everybody gets it, and no sum says so."""
    tag = queries.tag_named(here.organization, name)
    carriers = SubscriberTag.objects.filter(tag=tag).values("subscriber")
    others = Subscriber.objects.filter(organization=here.organization).exclude(pk__in=carriers)
    SubscriberTag.objects.bulk_create(SubscriberTag(subscriber=row, tag=tag) for row in others)


def test_what_the_page_counts_and_who_gets_it_are_the_same_people(strict: House, desk: Desk) -> None:
    """The page counts sums, which whoever writes the database leaves as they are."""
    for number in range(5):
        audience.add_subscriber(strict.organization, f"r{number}@example.org", strict.list, consent=CONSENT, now=NOW)
    letter, tag = _for_the_board(strict, agreed=False)
    _tag_in_the_database(strict, tag)
    page = desk("admin").get(_to(strict, "send", letter.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people)" value="(\w+)"', page))
    assert shown["people"] == "1"
    answer = desk("admin").post(_to(strict, "approve", letter.pk), shown, follow=True).content.decode()
    assert "The number of recipients has grown since you opened this page" in answer
    assert standing(open_campaign(letter)).state == "none"
    change_settings(strict.organization, by=None, now=NOW, requires_approval=False)
    page = desk("editor").get(_to(strict, "send", letter.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people)" value="(\w+)"', page))
    answer = desk("editor").post(_to(strict, "send", letter.pk), shown | {"when": "now"}).content.decode()
    assert "The number of recipients has grown since you opened this page" in answer
    letter.refresh_from_db()
    assert letter.state == "draft"


def test_nobody_agrees_to_more_people_than_their_page_showed(strict: House, desk: Desk) -> None:
    letter, tag = _for_the_board(strict, agreed=False)
    page = desk("admin").get(_to(strict, "send", letter.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people)" value="(\w+)"', page))
    assert shown["people"] == "1"
    boris = audience.add_subscriber(strict.organization, "boris@example.org", strict.list, consent=CONSENT, now=NOW)
    audience.add_tags(boris, [tag], now=NOW, by=strict.people["editor"])
    answer = desk("admin").post(_to(strict, "approve", letter.pk), shown, follow=True).content.decode()
    assert "The number of recipients has grown since you opened this page" in answer
    with pytest.raises(NotApproved):
        release(letter, now=NOW, by=strict.people["editor"])


def test_nobody_is_added_whose_turn_it_is_not_only_while_somebody_counts(strict: House, desk: Desk) -> None:
    """Who reads one email a month stands in the open: between page and press it is everybody whom the tag was given."""
    for number in range(5):
        audience.add_subscriber(strict.organization, f"r{number}@example.org", strict.list, consent=CONSENT, now=NOW)
    letter, tag = _for_the_board(strict, agreed=False)
    meant = [*SubscriberTag.objects.filter(tag=queries.tag_named(strict.organization, tag))]
    _tag_in_the_database(strict, tag)
    added = Subscription.objects.filter(list=strict.list).exclude(subscriber__in=[row.subscriber_id for row in meant])
    page = desk("admin").get(_to(strict, "send", letter.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people|waiting)" value="(\w+)"', page))
    assert (shown["people"], shown["waiting"]) == ("1", "0")
    added.update(frequency=MONTHLY)
    answer = desk("admin").post(_to(strict, "approve", letter.pk), shown, follow=True).content.decode()
    assert "The number of recipients has grown since you opened this page" in answer
    assert standing(open_campaign(letter)).state == "none"
    added.update(frequency=0)
    change_settings(strict.organization, by=None, now=NOW, requires_approval=False)

    def held(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith("INSERT") and "delivery_chunk" in sql:
            added.update(frequency=MONTHLY)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(held), pytest.raises(NotReleasable, match="has grown"):
        release(letter, now=NOW, by=strict.people["editor"], shown=1)


def test_whom_the_page_names_as_waiting_may_be_agreed_to_and_get_it_once_it_is_their_turn(
    strict: House, desk: Desk
) -> None:
    here, getting = strict.campaign, Subscription.objects.filter(list=strict.list, status=1, mail_verdict=1)
    Subscription.objects.filter(pk=getting.first().pk).update(frequency=MONTHLY)
    now, earlier = dbclock.now(), Campaign.objects.get(pk=here.pk)
    earlier.pk, earlier.state, earlier.not_before = None, "finished", now  # The first of this month.
    earlier.save(force_insert=True)
    page = desk("admin").get(_to(strict, "send", here.pk)).content.decode()
    shown = dict(re.findall(r'name="(seen|people|waiting)" value="(\w+)"', page))
    assert shown["waiting"] == "1" and "1 more subscriber gets one email a month, or the digest." in page
    desk("admin").post(_to(strict, "approve", here.pk), shown)
    assert standing(open_campaign(here)).state == "given"
    numbers = {"shown": int(shown["people"]), "waiting": int(shown["waiting"])}
    release(here, now=now, by=strict.people["editor"], at=now + timedelta(days=40), **numbers)
    here.refresh_from_db()
    assert here.frozen == numbers["shown"] + 1


# Each release draws others.
_DRAWN = ("archive_url", "answers")


@pytest.mark.parametrize("member", [field.name for field in fields(Content) if field.name not in _DRAWN])
def test_a_yes_holds_for_every_member_of_what_a_letter_is_made_from(strict: House, member: str) -> None:
    agree(strict.campaign, approval.bond_of(open_campaign(strict.campaign)), by=strict.people["admin"], now=NOW)
    other, opened = {"fields": {"FNAME": "you"}}.get(member, "other"), open_campaign(strict.campaign)
    letter = replace(opened.versions[0], content=replace(opened.versions[0].content, **{member: other}))
    assert standing(opened).state == "given"
    assert standing(replace(opened, versions=(letter,))).state == "changed"


def test_a_new_field_asks_nobody_again(strict: House) -> None:
    agree(strict.campaign, approval.bond_of(open_campaign(strict.campaign)), by=strict.people["admin"], now=NOW)
    audience.add_field(strict.organization, tag="STREET", label="Street", now=NOW)
    assert standing(open_campaign(strict.campaign)).state == "given"


def test_what_is_saved_while_it_is_released_stops_it(strict: House, monkeypatch: pytest.MonkeyPatch) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)

    def meanwhile() -> None:
        other = Campaign.objects.get(pk=letter.pk)
        campaigns.save(other, draft_of(other).with_(subject="Other"), version=other.version, by=clara, now=NOW)

    _while_it_is_compiled(monkeypatch, meanwhile)
    with pytest.raises(NotReleasable, match="changed while"):
        release(letter, now=NOW, by=clara)


def test_a_yes_that_was_taken_back_while_it_was_released_stops_it(
    strict: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter, house = strict.campaign, strict.organization
    olga = make_person("Olga", "olga@lantern.example", house, "editor")
    agree(letter, approval.bond_of(open_campaign(letter)), by=olga, now=NOW)
    _while_it_is_compiled(monkeypatch, lambda: remove_person(olga, house, by=None, now=NOW))
    with pytest.raises(NotApproved):
        release(letter, now=NOW, by=strict.people["editor"])
    letter.refresh_from_db()
    assert letter.state == "draft"


def _while_it_is_compiled(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    genuine = releasing.freeze

    def freeze(*given: Any) -> Any:
        meanwhile()
        return genuine(*given)

    monkeypatch.setattr(releasing, "freeze", freeze)


@pytest.mark.parametrize("which", ["letter", "version", "language"])
def test_what_stood_in_a_letter_only_while_it_was_compiled_is_not_released(
    strict: House, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put there after the first look at the yes, and gone by the second one."""
    letter, clara = strict.campaign, strict.people["editor"]
    words = draft_of(letter).with_(body="Other words")
    if which == "version":
        other = campaigns.create(letter.organization, letter.list, words, by=clara, now=NOW)
        change, at = ab_test.VersionChange(letter=other), NOW + timedelta(hours=2)
        ab_test.plan(letter, [change], share=50, way="hand", at=at, by=clara, now=NOW)
    elif which == "language":
        campaigns.save(translations.add(letter, "ru", by=clara, now=NOW), words, version=1, by=clara, now=NOW)
    agree(letter, approval.bond_of(open_campaign(letter)), by=strict.people["admin"], now=NOW)
    genuine = content.compile_letter

    def compiled(content: Content, **how: Any) -> CompileProof:
        evil = {"postal_address": "Confirm at https://evil.example"}
        is_it = (content.body == words.body) == (which != "letter")
        return genuine(replace(content, **evil) if is_it else content, **how)

    monkeypatch.setattr(content, "compile_letter", compiled)
    monkeypatch.setattr(releasing, "cut_parts", lambda *_: None)  # One reader is too few for a test.
    with pytest.raises(NotApproved):
        release(letter, now=NOW, by=clara)
    assert standing(open_campaign(letter)).state == "given"


def test_a_yes_to_what_somebody_changed_meanwhile_is_none(strict: House, desk: Desk) -> None:
    letter, clara = strict.campaign, strict.people["editor"]
    seen = approval.bond_of(open_campaign(letter))
    campaigns.save(letter, draft_of(letter).with_(subject="Other"), version=letter.version, by=clara, now=NOW)
    with pytest.raises(DraftChangedMeanwhile):
        agree(letter, seen, by=strict.people["admin"], now=NOW)
    page = (
        desk("admin")
        .post(_to(strict, "approve", letter.pk), {"seen": "x", "people": "10"}, follow=True)
        .content.decode()
    )
    assert "Read it again, then approve." in page
    assert approval.standing(open_campaign(letter)).state == "none"
