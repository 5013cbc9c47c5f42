"""Asking a list again: who is asked, who has answered, and what becomes of who did not."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes
from samizdat.audience import actions as audience
from samizdat.audience import queries, removal_limit
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import ConsentRecord, SubscriberTag, Subscription
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core import consent
from samizdat.events import chain
from samizdat.privacy import actions
from samizdat.privacy.actions import reconsent
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Renewal
from samizdat.worker.schedule.event_handlers import follow
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW, PASSWORD, TODAY
from tests.privacy.conftest import LONG_AGO, people

pytestmark = pytest.mark.django_db

DEADLINE = date(2026, 12, 16)
AFTER = NOW + timedelta(days=22)


def worked(renewal: Renewal, now: datetime = NOW) -> Renewal:
    """What the worker does until there is nothing more to do."""
    for number in actions.working(now):
        actions.work(number, lambda: now, lambda: False)
    renewal.refresh_from_db()
    return renewal


def statuses(list_: Any) -> dict[int, str]:
    rows = Subscription.objects.filter(list=list_)
    return {row.subscriber_id: consent.STATUSES[row.status] for row in rows}


@pytest.fixture
def many(lantern: Any, letter: Any, bring: Any) -> dict[str, Any]:
    """Ada confirmed here, five were brought in by a file long ago, Zoe was written down last week."""
    ada = audience.sign_up(lantern, "ada@post.example", letter, wording="Weekly.", now=LONG_AGO)
    audience.confirm(ada, letter, now=LONG_AGO)
    brought = bring("2020-01-01 10:00:00", 5)
    [zoe] = people(lantern, letter, 1, at=NOW - timedelta(days=7), name="zoe")
    return {"ada": ada, "brought": brought, "zoe": zoe}


@pytest.fixture
def bring(lantern: Any, letter: Any, tmp_path: Any) -> Callable[[str, int], list[Any]]:
    def run(told: str, count: int) -> list[Any]:
        path = tmp_path / "subscribed_members_export_0a1b2c.csv"
        rows = [f"file{n}@post.example,Fay,{told},,," for n in range(count)]
        path.write_text("\n".join(["Email Address,First Name,OPTIN_TIME,OPTIN_IP,LEID,EUID", *rows]) + "\n")
        audience.direct(lantern, letter, [str(path)], now=lambda: NOW - timedelta(days=3), status="subscribed")
        found = [queries.subscriber_at(lantern, f"file{n}@post.example") for n in range(count)]
        assert all(found)
        return found

    return run


@pytest.fixture
def asked(letter: Any, many: dict[str, Any], answered_by: Callable[[Any], None]) -> Renewal:
    """Those from the file were sent the question."""
    renewal = worked(actions.count_consent(letter, now=NOW))
    actions.choose(renewal, [("brought", "old")], now=NOW)
    worked(renewal)
    campaign = actions.begin_asking(renewal, DEADLINE, now=NOW)
    answered_by(campaign)
    renewal.refresh_from_db()
    return Renewal.objects.select_related("letter", "list", "organization", "tag").get(pk=renewal.pk)


@pytest.fixture
def answered_by(lantern: Any, tmp_path: Any) -> Callable[..., None]:
    """Sends a drafted letter; `refused`: so many addresses do not take it."""
    from samizdat.core.mail.ledger import JournalNews, unpack_numbers
    from samizdat.delivery import actions as delivery
    from samizdat.delivery.engine.results import SendResult, write
    from samizdat.delivery.models import Chunk

    def send(campaign: Any, refused: int = 1) -> None:
        route = delivery.add_route(lantern, f"own{campaign.pk}", f"folder://{tmp_path}", now=NOW)
        delivery.release(campaign, now=NOW)
        for chunk in Chunk.objects.filter(edition__campaign=campaign):
            numbers = sorted(unpack_numbers(bytes(chunk.numbers)))
            for at, number in enumerate(numbers):
                news = JournalNews.REFUSED if at < refused else JournalNews.ACCEPTED
                write([SendResult(chunk.edition_id, chunk.pk, number, news, route=route.pk)], NOW)
            Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.DONE)
        delivery.finish_if_done(campaign.pk, NOW)
        campaign.refresh_from_db()
        assert campaign.state == "finished"

    return send


@pytest.fixture(autouse=True)
def small_pages(lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNT", "TAG", "MOVE"):
        monkeypatch.setattr(reconsent, name, 2)
    audience.change_list(letter, ListDetails(from_email="letter@lantern.example", purpose="Weekly."), now=NOW)


def test_a_list_is_counted_by_how_strong_and_how_old_its_consent_is(letter: Any, many: Any) -> None:
    renewal = worked(actions.count_consent(letter, now=NOW))
    assert renewal.state == "counted"
    assert renewal.counts == {"confirmed": {"two": 1}, "brought": {"old": 5}, "written": {"one": 1}}
    with pytest.raises(PrivacyError):
        actions.count_consent(letter, now=NOW)


def test_what_was_counted_long_ago_is_counted_again_before_anybody_is_chosen(letter: Any, many: Any) -> None:
    renewal = worked(actions.count_consent(letter, now=NOW))
    audience.unsubscribe(many["brought"][0], letter, now=NOW, way="desk")
    later = NOW + timedelta(days=30)
    actions.count_again(renewal, now=later)
    assert worked(renewal, later).counts["brought"] == {"old": 4}
    assert (renewal.state, renewal.created) == ("counted", later.date())
    actions.choose(renewal, [("brought", "old")], now=later)
    with pytest.raises(PrivacyError):
        actions.count_again(renewal, now=later)


def test_no_letter_is_drafted_once_nobody_who_was_chosen_gets_the_list_any_more(letter: Any, many: Any) -> None:
    renewal = worked(actions.count_consent(letter, now=NOW))
    for row in Subscription.objects.select_related("subscriber__organization").filter(list=letter):
        audience.unsubscribe(row.subscriber, letter, now=NOW, way="desk")
    actions.choose(renewal, [("brought", "old")], now=NOW)
    assert worked(renewal).state == "ready"
    with pytest.raises(PrivacyError, match="count again"):
        actions.begin_asking(renewal, DEADLINE, now=NOW)


def test_a_file_that_tells_no_time_leaves_the_age_unknown(letter: Any, bring: Any) -> None:
    bring("", 2)
    assert worked(actions.count_consent(letter, now=NOW)).counts == {"brought": {"unknown": 2}}


def test_the_letter_can_be_released_and_goes_to_those_chosen_alone(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    assert asked.letter is not None and asked.asked == 5
    assert asked.letter.frozen == 5
    assert "{{ stay }}" in draft_of(asked.letter).body
    assert proof_of(asked.letter, NOW).compiled is not None
    assert actions.silent(asked) == 5
    assert_projections_hold(lantern, NOW)


def test_who_answers_has_confirmed_in_words_and_is_not_asked_any_more(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    fay = many["brought"][0]
    assert actions.stay(lantern, asked.letter, fay, now=NOW)
    assert not actions.stay(lantern, asked.letter, fay, now=NOW)  # Pressed twice, taken up once.
    entry = queries.card(fay, NOW).timeline[0]
    assert (entry.kind, entry.way) == ("confirmed", "form")
    assert "The Thursday Letter" in entry.wording
    assert actions.silent(asked) == 4
    assert not actions.stay(lantern, asked.letter, many["zoe"], now=NOW)  # They were not asked.
    assert not actions.stay(lantern, None, many["brought"][1], now=NOW)


def test_nobody_is_moved_out_before_the_deadline_or_without_a_letter(letter: Any, many: Any, asked: Renewal) -> None:
    for too_early in (NOW, NOW + timedelta(days=21)):
        with pytest.raises(PrivacyError):
            actions.move_out(asked, now=too_early)
    with pytest.raises(PrivacyError):
        actions.begin_asking(asked, NOW.date() + timedelta(days=2), now=NOW)
    assert set(statuses(letter).values()) == {"subscribed"}


def test_who_did_not_answer_leaves_with_that_reason_and_who_was_not_reached_stays(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    first, second = sorted(many["brought"], key=lambda row: row.id)[:2]  # To the first it was refused.
    actions.stay(lantern, asked.letter, second, now=NOW)
    actions.move_out(asked, now=AFTER)
    moved = worked(asked, AFTER)
    assert (moved.state, moved.moved) == ("moved", 3)
    out = [id for id, status in statuses(letter).items() if status == "unsubscribed"]
    assert len(out) == 3 and first.id not in out and second.id not in out
    gone = next(row for row in many["brought"] if row.id in out)
    assert queries.card(gone, AFTER).timeline[0].reason == consent.NO_ANSWER
    assert_projections_hold(lantern, AFTER)


@pytest.fixture
def editor(lantern: Any) -> Any:
    person = accounts.add_person("ed@lantern.example", name="Ed", password=PASSWORD, today=TODAY)
    accounts.give_role(person, lantern, "editor", by=None, now=NOW - timedelta(days=3))
    return person


def test_more_than_a_few_who_did_not_answer_wait_for_an_admin(
    letter: Any, many: Any, asked: Renewal, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal_limit, "ALONE_A_DAY", 4)
    actions.move_out(asked, now=AFTER, by=editor)
    assert worked(asked, AFTER).state == "asking" and "unsubscribed" not in statuses(letter).values()
    [change] = pending_changes.waiting(asked.organization)
    assert "5 subscribers who didn’t answer are removed from" in pending_changes.sentence_of(change)
    pending_changes.approve(change, now=AFTER, by=None)
    worked(asked, AFTER)
    assert [*statuses(letter).values()].count("unsubscribed") == 4, "of one the letter was refused"


def test_few_who_did_not_answer_count_like_those_who_are_taken_off_many_at_once(
    letter: Any, many: Any, asked: Renewal, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.move_out(asked, now=AFTER, by=editor)
    assert worked(asked, AFTER).state == "moved"
    assert not removal_limit.is_over(asked.organization, removal_limit.ALONE_A_DAY - 5, now=AFTER, by=editor)
    assert removal_limit.is_over(asked.organization, removal_limit.ALONE_A_DAY - 4, now=AFTER, by=editor)


def test_nobody_leaves_for_not_answering_a_letter_without_its_button(
    letter: Any, many: Any, answered_by: Callable[[Any], None]
) -> None:
    renewal = worked(actions.count_consent(letter, now=NOW))
    actions.choose(renewal, [("brought", "old")], now=NOW)
    campaign = actions.begin_asking(worked(renewal), DEADLINE, now=NOW)
    draft = draft_of(campaign)
    text = draft.body.replace("{{ stay }}", "https://lantern.example/")
    campaigns.save(campaign, draft.with_(body=text), version=campaign.version, by=None, now=NOW)
    answered_by(campaign)
    renewal.refresh_from_db()
    with pytest.raises(PrivacyError, match="without its button"):
        actions.move_out(renewal, now=AFTER)


def test_who_took_a_leaving_back_by_mail_or_told_somebody_has_answered(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    first, before, back, told, left = sorted(many["brought"], key=lambda row: row.id)  # To the first it was refused.
    audience.unsubscribe(before, letter, way="form", now=NOW - timedelta(days=1))
    audience.undo_unsubscribe(before, letter, way="form", now=NOW - timedelta(days=1))  # Nobody had asked them yet.
    audience.unsubscribe(back, letter, way="one-click", now=NOW)
    audience.undo_unsubscribe(back, letter, way="mail", now=NOW)
    address = queries.card(told, NOW).address
    audience.add_subscriber(lantern, address, letter, consent="She said so at the fair.", now=NOW)
    audience.unsubscribe(left, letter, way="form", now=NOW)
    audience.undo_unsubscribe(left, letter, way="desk", now=NOW)  # A leaving undone by us is no word of theirs.
    assert actions.silent(asked) == 5
    while follow(NOW):  # The worker hears of leavings taken back as they come: no reminder goes to who answered so.
        pass
    assert actions.silent(asked) == 4
    actions.move_out(asked, now=AFTER)
    assert worked(asked, AFTER).moved == 2
    out = {id for id, status in statuses(letter).items() if status == "unsubscribed"}
    assert out == {before.id, left.id}
    assert actions.silent(asked) == 1  # The first; of the others one answer each is in the books.
    assert_projections_hold(lantern, AFTER)


def test_who_left_and_came_back_by_a_link_has_not_answered(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    """A public process that was taken can make both, and would keep everybody on the list without an answer."""
    back = sorted(many["brought"], key=lambda row: row.id)[1]  # To the first it was refused.
    audience.unsubscribe(back, letter, way="one-click", now=NOW)
    audience.undo_unsubscribe(back, letter, way="one-click", now=NOW)
    while follow(NOW):
        pass
    assert actions.silent(asked) == 5
    actions.move_out(asked, now=AFTER)
    worked(asked, AFTER)
    assert statuses(letter)[back.id] == "unsubscribed"


def test_nobody_is_moved_out_or_comes_back_because_the_database_says_so(letter: Any, many: Any, asked: Renewal) -> None:
    Renewal.objects.filter(pk=asked.pk).update(state="moving", undo_until=AFTER.date())
    assert worked(asked, AFTER).state == "asking" and "unsubscribed" not in statuses(letter).values()
    actions.move_out(asked, now=AFTER)
    worked(asked, AFTER)
    out = statuses(letter)
    assert "unsubscribed" in out.values()
    late = AFTER + timedelta(days=30)
    Renewal.objects.filter(pk=asked.pk).update(state="undoing", undo_until=late.date())
    assert worked(asked, late).state == "closed" and statuses(letter) == out


PAIRS = [[strength, age] for strength in consent.STRENGTHS for age in consent.AGES]


@pytest.mark.parametrize("state", ["choosing", "closing"])
def test_nobody_gets_or_loses_a_tag_by_a_renewal_that_nobody_began(
    lantern: Any, letter: Any, many: Any, state: str
) -> None:
    board = audience.tags_for(lantern, ["The board"])["The board"]
    SubscriberTag.objects.create(subscriber=many["ada"], tag_id=board)
    forged = Renewal(organization=lantern, list=letter, tag_id=board, state=state, chosen=PAIRS, created=NOW.date())
    forged.save()
    assert worked(forged).state == "closed"
    assert [*SubscriberTag.objects.values_list("subscriber_id", "tag_id")] == [(many["ada"].id, board)]


@pytest.mark.parametrize("column", ["chosen", "tag_id", "list"])
def test_those_are_asked_whom_somebody_chose_whatever_stands_in_the_row(
    lantern: Any, letter: Any, many: Any, column: str
) -> None:
    board = audience.tags_for(lantern, ["The board"])["The board"]
    other = audience.new_list(lantern, "Court Diary", now=NOW)
    audience.add_subscriber(lantern, "zoe@elsewhere.example", other, consent="yes", now=NOW)
    renewal = worked(actions.count_consent(letter, now=NOW))
    actions.choose(renewal, [("brought", "old")], now=NOW)
    changed: dict[str, Any] = {"chosen": PAIRS, "tag_id": board, "list": other}
    Renewal.objects.filter(pk=renewal.pk).update(**{column: changed[column]})
    worked(renewal)
    assert not SubscriberTag.objects.exists()


def test_nobody_is_chosen_again_after_the_letter_was_drafted(letter: Any, many: Any, asked: Renewal) -> None:
    answered = SubscriberTag.objects.filter(tag=asked.tag).first()
    assert answered is not None
    answered.delete()
    Renewal.objects.filter(pk=asked.pk).update(state="choosing", after=0)
    worked(asked)
    assert not SubscriberTag.objects.filter(subscriber=answered.subscriber_id, tag=asked.tag).exists()


def test_for_a_week_they_come_back_as_one_but_not_who_left_by_themselves(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    own = sorted(many["brought"], key=lambda row: row.id)[4]
    audience.unsubscribe(own, letter, way="form", now=NOW)
    actions.move_out(asked, now=AFTER)
    worked(asked, AFTER)
    with pytest.raises(PrivacyError):
        actions.take_back(asked, now=AFTER + timedelta(days=8))
    actions.take_back(asked, now=AFTER + timedelta(days=7))
    closed = worked(asked, AFTER)
    assert (closed.state, closed.returned) == ("closed", 3)
    assert statuses(letter)[own.id] == "unsubscribed"
    assert [*statuses(letter).values()].count("unsubscribed") == 1
    assert not SubscriberTag.objects.filter(tag=asked.tag).exists()
    assert_projections_hold(lantern, AFTER)
    chain.append()
    assert chain.verify(lantern).whole


def test_a_late_answer_brings_back_who_was_moved_out_and_nobody_who_left(
    lantern: Any, letter: Any, many: Any, asked: Renewal
) -> None:
    late, own = sorted(many["brought"], key=lambda row: row.id)[1:3]
    actions.move_out(asked, now=AFTER)
    worked(asked, AFTER)
    assert actions.stay(lantern, asked.letter, late, now=AFTER)
    assert statuses(letter)[late.id] == "subscribed"
    audience.undo_unsubscribe(own, letter, now=AFTER)
    audience.unsubscribe(own, letter, way="form", now=AFTER)
    assert not actions.stay(lantern, asked.letter, own, now=AFTER)
    worked(asked, AFTER + timedelta(days=8))
    assert Renewal.objects.get(pk=asked.pk).state == "closed"
    assert not actions.stay(lantern, asked.letter, many["brought"][0], now=AFTER)


@pytest.mark.parametrize("how", ["link", "undo"])
@pytest.mark.parametrize("put_back", [True, False])
def test_who_left_is_not_brought_back_though_the_day_of_their_no_was_another_for_a_while(
    lantern: Any, letter: Any, many: Any, asked: Renewal, how: str, put_back: bool
) -> None:
    """Then they seemed to be subscribed when the others were moved out, and were moved out like these."""
    own = sorted(many["brought"], key=lambda row: row.id)[3]
    audience.confirm(own, letter, now=NOW - timedelta(days=10), way="form", wording="Yes.")
    audience.unsubscribe(own, letter, now=NOW + timedelta(days=1), way="one-click")
    no = ConsentRecord.objects.filter(subscriber=own).order_by("pk").last()
    ConsentRecord.objects.filter(pk=no.pk).update(day=date(2000, 1, 1))
    actions.move_out(asked, now=AFTER)
    renewal = worked(asked, AFTER)
    assert ConsentRecord.objects.filter(subscriber=own, pk__gt=no.pk).exists(), "a silence stands behind it"
    if put_back:
        ConsentRecord.objects.filter(pk=no.pk).update(day=no.day)
    if how == "link":
        assert not actions.stay(lantern, asked.letter, own, now=AFTER)
    else:
        actions.take_back(renewal, now=AFTER + timedelta(days=1))
        worked(renewal, AFTER + timedelta(days=1))
    assert statuses(letter)[own.id] == "unsubscribed"


def test_the_reminder_goes_to_those_who_have_not_answered(
    lantern: Any, letter: Any, many: Any, asked: Renewal, answered_by: Callable[..., None]
) -> None:
    actions.stay(lantern, asked.letter, many["brought"][0], now=NOW)
    reminder = actions.remind(asked, now=NOW + timedelta(days=10))
    assert actions.remind(asked, now=NOW + timedelta(days=10)) == reminder
    answered_by(reminder, refused=0)
    assert reminder.frozen == 4
    assert actions.stay(lantern, reminder, many["brought"][1], now=NOW)


def test_after_the_last_day_nobody_is_reminded_any_more(asked: Renewal) -> None:
    assert asked.deadline is not None
    late = datetime.combine(asked.deadline + timedelta(days=1), time(1), UTC)
    with pytest.raises(PrivacyError, match="To give subscribers more time, close this and ask again"):
        actions.remind(asked, now=late)
    assert asked.letter.finished is not None and actions.why_not_yet(asked, late) == ""
    Campaign.objects.filter(pk=asked.letter.pk).update(finished=late)
    asked.refresh_from_db()
    assert "Come back on" in actions.why_not_yet(asked, late)


def test_a_kill_between_two_slices_counts_nobody_twice(letter: Any, many: Any) -> None:
    renewal = actions.count_consent(letter, now=NOW)
    stops = iter([False, True])
    actions.work(renewal.pk, lambda: NOW, lambda: next(stops))
    assert sum(sum(ages.values()) for ages in Renewal.objects.get(pk=renewal.pk).counts.values()) == 2
    assert sum(sum(ages.values()) for ages in worked(renewal).counts.values()) == 7


def test_the_letter_of_an_open_question_is_not_folded(letter: Any, many: Any, asked: Renewal) -> None:
    much_later, rules = NOW + timedelta(days=70), actions.RetentionRules(delivery_months=1)
    actions.retain(letter, rules, now=NOW)
    assert actions.preview(letter, rules, much_later).campaigns == 0
    assert actions.retain_slice(letter, 0, much_later, lambda: False) == (0, 0, None)
    actions.close(asked, now=much_later)
    worked(asked, much_later)
    assert actions.preview(letter, rules, much_later).deliveries == 5
