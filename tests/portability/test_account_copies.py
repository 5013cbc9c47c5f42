"""A standing copy of an account elsewhere: nothing is lost or doubled however often it is killed, whoever left stays
out, and a refusal is known at once."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat import plugins
from samizdat.audience.actions import erase
from samizdat.audience.models import Import, Subscriber
from samizdat.audience.queries import card, list_named, subscriber_at
from samizdat.campaigns.archive import sent_elsewhere
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.media.library import facts_of
from samizdat.campaigns.models import Campaign, Picture
from samizdat.core.account_copy import SECTIONS, AccountPage, Contact
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.models import Event
from samizdat.portability.account.documents import read_report
from samizdat.portability.account.writer import AccountImportTotals
from samizdat.portability.account_copies import actions, copying, people, pieces, restoring
from samizdat.portability.account_copies.records import (
    CopyProgress,
    CopyRefused,
    CopyTaken,
    copies_of,
    progress_of,
    sealed_progress,
    sealed_settings,
    settings_of,
)
from samizdat.portability.models import AccountCopy, AccountCopyPiece
from samizdat.portability.parts.base import Places
from tests.conftest import NOW
from tests.fakes.mailchimp_account import BEGAN, CLOSE, CUT, KEY, FakeAccount, FakeList, MailchimpServer

LATER = NOW + timedelta(days=1)


@pytest.fixture
def fake() -> Any:
    with MailchimpServer(FakeAccount()) as server:
        yield server


def added(lantern: Any, fake: MailchimpServer) -> AccountCopy:
    return actions.add(lantern, "mailchimp", KEY, now=NOW, endpoint=fake.endpoint)


def copied(row: AccountCopy, now: datetime = NOW, **how: Any) -> AccountCopy:
    return copying.run(row.pk, now=lambda: now, sleep=lambda _seconds: None, **how)


def contacts_of(row: AccountCopy) -> dict[str, Contact]:
    row.refresh_from_db()
    return {
        address: contact for known in people.folded(row, progress_of(row)) for (_, address), contact in known.items()
    }


def test_everybody_comes_with_their_status_and_is_there_once(lantern: Any, fake: MailchimpServer) -> None:
    row, each = added(lantern, fake), fake.account.lists[0]
    progress = progress_of(copied(row))
    found = contacts_of(row)
    assert found.keys() == {each.address(number).casefold() for number in each.numbers}
    statuses = Counter(contact.status for contact in found.values())
    assert progress.people == {each.id: dict(statuses)} and statuses["complained"] == 1
    assert statuses["subscribed"] + statuses["complained"] >= each.count("subscribed")
    assert not progress.is_running and progress.finished == NOW
    assert {section: len(pieces.items(row, section)) for section in ("lists", "campaigns", "templates", "files")} == {
        "lists": 1, "campaigns": 5, "templates": 3, "files": 3,
    }  # fmt: skip


def test_bodies_are_kept_and_asked_for_once(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    campaign = next(kept for kept in pieces.items(row, "campaigns").values() if kept.item.stamp)
    assert "Привет" in json.loads(pieces.body(row, campaign))["html"]
    fake.asked.clear()
    things = AccountCopyPiece.objects.exclude(section=SECTIONS.index("contacts"))
    before = things.count()
    copied(row, LATER)
    bodies = [path for path in fake.asked if path.endswith("content?fields=html%2Cplain_text%2Cvariate_contents")]
    drafts = sum(not kept.item.stamp for kept in pieces.items(row, "campaigns").values())
    assert len(bodies) == drafts and not any("/public/" in path for path in fake.asked)
    assert things.count() == before, "what is the same is not written again"


def test_a_file_that_cannot_be_had_is_noted_once(lantern: Any, fake: MailchimpServer) -> None:
    fake.on(404, "/public/picture-1.png", times=9)
    row = copied(added(lantern, fake))
    missing = [kept.item.name for kept in pieces.items(row, "files").values() if kept.missing]
    assert missing == ["picture-1.png"]
    lines = progress_of(row).lines["files"]
    assert progress_of(copied(row, LATER)).lines["files"] == lines


def test_the_next_night_asks_only_for_what_was_changed(lantern: Any, fake: MailchimpServer) -> None:
    row, each = copied(added(lantern, fake)), fake.account.lists[0]
    fake.account.tick(86_400)
    number = next(number for number in each.numbers if each.status(number) == "subscribed" and number != 1)
    fake.account.change(each, number, status="unsubscribed", unsubscribe_reason="Spammy content")
    fake.account.add(each, email_address="new@north.example")
    written = progress_of(row).lines["contacts"]
    copied(row, LATER)
    assert progress_of(AccountCopy.objects.get()).lines["contacts"] - written <= 4
    found = contacts_of(row)
    assert found["new@north.example"].status == "subscribed"
    assert found[each.address(number).casefold()].status == "unsubscribed"


def test_who_is_deleted_there_is_noticed_the_next_night_and_comes_without_consent(lantern: Any) -> None:
    each = FakeList(size=3_200)
    with MailchimpServer(FakeAccount([each])) as fake:
        row = copied(added(lantern, fake))
        subscribed = [number for number in each.numbers if each.status(number) == "subscribed" and number != 1]
        archived, left = (
            next(number for number in each.numbers if each.status(number) == status)
            for status in ("archived", "unsubscribed")
        )
        for number in (subscribed[0], archived, left):
            each.delete(number)
        fake.account.change(each, subscribed[1], language="en")
        copied(row, LATER)
        assert progress_of(AccountCopy.objects.get()).people[each.id]["deleted"] == 2
        written = progress_of(AccountCopy.objects.get()).lines["contacts"]
        copied(row, LATER)
        assert progress_of(AccountCopy.objects.get()).lines["contacts"] - written <= 2, "noted once"
        (done,) = restored(row, people_only=True).people
        assert done.counts["added"] == each.size
    standing = {
        number: card(subscriber_at(lantern, each.address(number)), NOW).lists[0].status
        for number in (subscribed[0], subscribed[1], archived, left)
    }
    assert list(standing.values()) == ["nonsubscribed", "subscribed", "nonsubscribed", "unsubscribed"]


def test_who_ticked_no_marketing_permission_is_subscribed_only_if_asked(lantern: Any, fake: MailchimpServer) -> None:
    each = fake.account.lists[0]
    numbers = [number for number in each.numbers if each.status(number) == "subscribed" and number != 1][:2]
    asked = [{"marketing_permission_id": "1f0a", "text": "Email", "enabled": False}]
    for number in numbers:
        fake.account.change(each, number, marketing_permissions=asked)
    more = [*asked, {"marketing_permission_id": "2b", "text": "Post", "enabled": True}]
    fake.account.change(each, numbers[1], marketing_permissions=more)
    row = copied(added(lantern, fake))
    assert progress_of(AccountCopy.objects.get()).people[each.id]["no_permission"] == 1
    restored(row, only=each.name, people_only=True)

    def standing(number: int) -> str:
        return card(subscriber_at(lantern, each.address(number)), NOW).lists[0].status

    assert [*map(standing, numbers)] == ["nonsubscribed", "subscribed"]
    restored(row, only=each.name, people_only=True, keep_unticked=True)
    assert [*map(standing, numbers)] == ["subscribed", "subscribed"]


def test_who_was_not_named_once_and_is_there_again_is_subscribed_as_before(lantern: Any, fake: MailchimpServer) -> None:
    row, each = copied(added(lantern, fake)), fake.account.lists[0]
    before = progress_of(row).people
    there, each.there = each.there, each.there[:10]
    copied(row, LATER)
    assert progress_of(AccountCopy.objects.get()).people[each.id]["deleted"] > 10
    each.there = there
    copied(row, LATER)
    assert progress_of(AccountCopy.objects.get()).people == before


class Killed(BaseException):
    """As a process that is killed: nothing is tidied up."""


def test_a_run_that_is_killed_at_any_page_goes_on_there(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    each = FakeList(size=3_200)
    with MailchimpServer(FakeAccount([each])) as fake:
        row = added(lantern, fake)
        put, left = copying.put_progress, iter(range(10_000))
        kills = 0

        def killing(taken: AccountCopy, value: Any) -> None:
            put(taken, value)
            if next(left) % 3 == 2:
                raise Killed

        monkeypatch.setattr(copying, "put_progress", killing)
        while True:
            try:
                copied(row)
                break
            except Killed:
                kills += 1
        assert kills > 5
        found = contacts_of(row)
        assert found.keys() == {each.address(number).casefold() for number in each.numbers}
        assert sum(progress_of(AccountCopy.objects.get()).people[each.id].values()) == each.size
        assert [kept.size for kept in pieces.items(row, "files").values()] == [
            len(pieces.body(row, kept)) for kept in pieces.items(row, "files").values()
        ]


def test_what_passes_by_itself_is_waited_for(lantern: Any, fake: MailchimpServer) -> None:
    row = added(lantern, fake)
    for what in (429, 503, CUT):
        fake.on(what, "/members")
    assert len(contacts_of(copied(row))) == fake.account.lists[0].size


def test_a_closed_account_is_one_alarm_and_what_is_copied_stays(lantern: Any) -> None:
    each = FakeList(size=2_500)
    with MailchimpServer(FakeAccount([each])) as fake:
        row = added(lantern, fake)
        fake.on(CLOSE, "/members", after=5)
        with pytest.raises(plugins.ServiceRefused):
            copied(row)
        with pytest.raises(plugins.ServiceRefused):
            copied(row, LATER)
        progress = progress_of(AccountCopy.objects.get())
        assert progress.refused == NOW and progress.problem.code == "closed"
        assert "User Disabled" in progress.problem.sentence
        assert Event.objects.filter(kind="standing_copy.refused").count() == 1
        assert contacts_of(row)
        assert not actions.is_due(AccountCopy.objects.get(), progress, LATER)


def test_a_look_raises_the_alarm_once_and_takes_it_back(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    waits: list[float] = []

    def look() -> bool:
        return actions.look(AccountCopy.objects.get(), now=lambda: NOW, sleep=waits.append)

    fake.on(503, "/ping")
    assert not look() and progress_of(AccountCopy.objects.get()).refused is None
    fake.on(403, "/ping")
    assert look(), "once is no alarm"
    fake.account.close()
    assert not look() and not look()
    assert progress_of(AccountCopy.objects.get()).refused == NOW
    assert Event.objects.filter(kind="standing_copy.refused").count() == 1
    fake.account.open_again()
    assert look() and progress_of(AccountCopy.objects.get()).refused is None
    assert waits and row.pk


def test_nothing_of_anybody_is_readable_in_the_database(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    rows = [bytes(blob) for blob in AccountCopyPiece.objects.values_list("blob", flat=True)]
    rows += [bytes(AccountCopy.objects.get().settings_sealed), bytes(AccountCopy.objects.get().progress_sealed)]
    address = fake.account.lists[0].address(3)
    for hidden in (address, address.partition("@")[0], KEY, "Lantern", "Привет"):
        assert not any(hidden.encode() in blob for blob in rows)
    assert settings_of(row).title == "Lantern"


def test_a_piece_in_anothers_place_does_not_open(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    rows = AccountCopyPiece.objects.filter(copy=row, section=4).order_by("number")
    first = rows.values_list("blob", flat=True).first()
    AccountCopyPiece.objects.filter(copy=row, number=rows.last().number).update(blob=first)
    with pytest.raises(SealBroken):
        contacts_of(row)


def test_where_pieces_are_missing_everything_is_asked_for_again(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    AccountCopyPiece.objects.filter(copy=row, section=4).delete()
    assert contacts_of(row) == {}
    copied(row, LATER)
    assert len(contacts_of(row)) == fake.account.lists[0].size
    lines = progress_of(AccountCopy.objects.get()).lines["contacts"]
    copied(row, LATER)
    assert progress_of(AccountCopy.objects.get()).lines["contacts"] - lines <= 3, "and not once more"


def test_two_processes_do_not_copy_at_once(lantern: Any, fake: MailchimpServer) -> None:
    row = added(lantern, fake)
    taken = copying.take(row.pk, NOW)
    with pytest.raises(CopyTaken):
        copied(row)
    copying.let_go(taken)
    copied(row)


def test_an_account_is_added_once_and_only_with_a_key_that_opens_it(lantern: Any, fake: MailchimpServer) -> None:
    added(lantern, fake)
    with pytest.raises(CopyRefused, match="already"):
        added(lantern, fake)
    with pytest.raises(plugins.ServiceRefused) as wrong:
        actions.add(lantern, "mailchimp", KEY.replace("0", "f"), now=NOW, endpoint=fake.endpoint)
    assert wrong.value.code == "key_refused"
    with pytest.raises(plugins.ServiceRefused) as unknown:
        actions.add(lantern, "pigeons", KEY, now=NOW)
    assert unknown.value.code == "no_service"
    assert len(copies_of(lantern)) == 1


def test_nothing_of_a_copy_is_left_when_it_is_removed(lantern: Any, fake: MailchimpServer) -> None:
    actions.remove(copied(added(lantern, fake)), now=NOW)
    assert not AccountCopy.objects.exists() and not AccountCopyPiece.objects.exists()


def test_it_is_due_at_once_and_then_each_night(lantern: Any, fake: MailchimpServer) -> None:
    row = added(lantern, fake)
    assert actions.is_due(row, progress_of(row), NOW)
    copied(row)
    row.refresh_from_db()
    assert not actions.is_due(row, progress_of(row), NOW + timedelta(hours=2))
    assert actions.is_due(row, progress_of(row), datetime(2026, 11, 26, 2, 30, tzinfo=UTC))
    failed = replace(
        progress_of(row), section="contacts", failures=3, problem=replace(progress_of(row).problem, at=NOW)
    )
    assert not actions.is_due(row, failed, NOW + timedelta(minutes=3))
    assert actions.is_due(row, failed, NOW + timedelta(minutes=5))


def test_who_is_erased_is_in_no_copy_and_is_not_copied_again(lantern: Any, fake: MailchimpServer) -> None:
    row, each = copied(added(lantern, fake)), fake.account.lists[0]
    gone = each.address(7)
    erase(lantern, address=gone, now=NOW)
    assert gone.casefold() in contacts_of(row)
    actions.copy_due(lantern.pk, now=lambda: NOW, stop=lambda: True)
    assert len(contacts_of(row)) == each.size - 1 and gone.casefold() not in contacts_of(row)
    assert sum(progress_of(AccountCopy.objects.get()).people[each.id].values()) == each.size - 1
    fake.account.change(each, 7, language="en")
    copied(row, LATER)
    assert gone.casefold() not in contacts_of(row)
    assert Event.objects.filter(kind="standing_copy.erased").count() == 1


# -- a copy becomes lists ---------------------------------------------------------------------------------------------


def restored(row: AccountCopy, **how: Any) -> AccountImportTotals:
    row.refresh_from_db()
    return restoring.restore(row, now=lambda: NOW, **how)


def test_a_copy_becomes_a_list_with_statuses_consent_fields_and_tags(lantern: Any, fake: MailchimpServer) -> None:
    row, each = copied(added(lantern, fake)), fake.account.lists[0]
    (done,) = restored(row).people
    assert done.list_name == each.name and done.counts["added"] == each.size and not done.counts["rejected"]
    news = list_named(lantern, each.name)
    complained = each.address(1)
    for number in each.numbers:
        member, subscriber = each.member(number), subscriber_at(lantern, each.address(number))
        shown = card(subscriber, NOW)
        status = {"transactional": "nonsubscribed", "archived": "nonsubscribed"}.get(member["status"], member["status"])
        (standing,) = [of.status for of in shown.lists if of.list_id == news.pk]
        assert standing == ("unsubscribed" if each.address(number) == complained else status)
        assert shown.values.get("FNAME", "") == member["merge_fields"]["FNAME"]
        if status == "subscribed":
            assert member["timestamp_opt"][:10] in {str(entry.day) for entry in shown.timeline}
        assert not any("Donor" in tag for tag in shown.tags)


def test_to_press_again_changes_nothing(lantern: Any, fake: MailchimpServer) -> None:
    row = copied(added(lantern, fake))
    restored(row)
    people_here = Subscriber.objects.count()
    (done,) = restored(row).people
    assert done.counts["unchanged"] + done.counts["skipped"] == fake.account.lists[0].size
    assert Subscriber.objects.count() == people_here


def test_who_left_there_or_here_stays_out_whatever_the_copy_says_later(lantern: Any, fake: MailchimpServer) -> None:
    row, each = copied(added(lantern, fake)), fake.account.lists[0]
    numbers = [number for number in each.numbers if each.status(number) == "subscribed" and number != 1]
    fake.account.change(each, numbers[0], status="unsubscribed")
    copied(row, LATER)
    fake.account.change(each, numbers[0], status="subscribed")  # As when somebody uploads an old list there.
    copied(row, LATER)
    restored(row)
    (of,) = card(subscriber_at(lantern, each.address(numbers[0])), NOW).lists
    assert of.status == "unsubscribed"


def test_letters_become_drafts_and_sent_campaigns_with_images_and_templates_once(
    lantern: Any, fake: MailchimpServer
) -> None:
    row = copied(added(lantern, fake))
    written = restored(row)
    assert (written.added, written.refused) == ({"image": 3, "template": 3, "draft": 2, "sent": 3}, [])
    drafts = {draft_of(campaign).subject: campaign for campaign in Campaign.objects.filter(organization=lantern)}
    assert sorted(drafts) == [f"Письмо {number}" for number in range(5)]
    number = next(number for number in range(5) if drafts[f"Письмо {number}"].state == "draft")
    draft = draft_of(drafts[f"Письмо {number}"])
    assert (draft.from_name, draft.from_email, draft.format) == ("Lantern", "news@lantern.example", "html")
    assert "*|FNAME|*" in draft.body and fake.endpoint not in draft.body and "https://lantern.example/m/" in draft.body
    assert sorted(facts_of(picture).name for picture in Picture.objects.all()) == [f"picture-{n}" for n in range(3)]
    again = restored(row)
    assert (again.added, again.here.total()) == ({}, 11)
    assert Campaign.objects.filter(organization=lantern).count() == 5


def test_what_was_sent_stands_in_the_archive_with_its_day_and_numbers(lantern: Any, fake: MailchimpServer) -> None:
    restored(copied(added(lantern, fake)), listed=True)
    sent = Campaign.objects.filter(organization=lantern, state="finished").order_by("released")[0]
    number = int(draft_of(sent).subject.removeprefix("Письмо "))
    assert sent.released == BEGAN + timedelta(days=number, hours=3) and not sent.archive_hidden
    assert (sent.accepted, sent.frozen) == (0, 0)
    kept = sent_elsewhere.of(sent)
    assert kept is not None and kept.service == "Mailchimp"
    assert kept.totals == {
        "recipients": 100 + number, "delivered": 93 + number, "bounced": 7, "unsubscribed": 2, "complaints": 1,
        "clicks": 9,
    }  # fmt: skip


def test_what_stays_out_is_named_before_anything_is_written(lantern: Any, fake: MailchimpServer) -> None:
    fake.on(404, "/public/picture-1.png", times=9)
    row = restoring.propose(copied(added(lantern, fake)), now=NOW, by=None)
    contents = read_report(row).contents
    assert contents is not None and (contents.images, contents.sent) == (2, 3)
    named = {(left.kind, left.count, left.names) for left in contents.left}
    assert ("missing", 1, ("picture-1.png",)) in named and ("uncopied", 2, ("landing pages",)) in named
    assert not Campaign.objects.filter(organization=lantern).exists() and not Subscriber.objects.exists()
    assert restoring.propose(AccountCopy.objects.get(), now=NOW, by=None).pk == row.pk, "and there is one of them"


@pytest.mark.parametrize("kills", [1, 4])
def test_one_that_is_killed_goes_on_with_the_part_that_it_was_at(
    lantern: Any, fake: MailchimpServer, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    monkeypatch.setattr(people, "AT_ONCE", 17)
    row = copied(added(lantern, fake))
    put, left = Places.put, iter(range(1_000))

    def killing(places: Places, part: str, there: int | str, here: int | str) -> None:
        put(places, part, there, here)
        if next(left) == kills:
            raise Killed

    monkeypatch.setattr(Places, "put", killing)
    with pytest.raises(Killed):
        restored(row)
    parts = Import.objects.filter(source="mailchimp", state="finished").count()
    totals = restored(row)
    assert sum(part.counts["rows"] for part in totals.people) == fake.account.lists[0].size
    assert Subscriber.objects.count() == fake.account.lists[0].size
    assert Import.objects.filter(source="mailchimp").count() == len(totals.people) and parts == kills + 1
    assert Import.objects.filter(source="standing-copy").count() == 1


def test_two_lists_with_other_fields_of_one_tag_keep_both(lantern: Any) -> None:
    account = FakeAccount([FakeList(), FakeList("b1b2c3d4e5", "Press", 30, seed=3)])
    with MailchimpServer(account) as fake:
        row = copied(added(lantern, fake))
        assert [done.list_name for done in restored(row).people] == ["News", "Press"]
        with pytest.raises(CopyRefused, match="News, Press"):
            restored(row, only="Nobody")


def test_a_copy_of_a_million_is_read_a_part_at_a_time(
    lantern: Any, fake: MailchimpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "AT_ONCE", 17)
    row = copied(added(lantern, fake))
    parts = list(people.folded(row, progress_of(row)))
    assert len(parts) > 4 and sum(map(len, parts)) == fake.account.lists[0].size
    assert sum(done.counts["added"] for done in restored(row).people) == fake.account.lists[0].size


def test_a_service_that_never_ends_is_no_page_without_an_end(lantern: Any, fake: MailchimpServer) -> None:
    row = added(lantern, fake)
    stopped = iter([False] * 3)
    with pytest.raises(copying.CopyStopped):
        copied(row, stop=lambda: next(stopped, True))
    assert progress_of(AccountCopy.objects.get()).is_running
    assert AccountPage().cursor == ""


def test_a_record_that_somebody_changed_keeps_no_other_from_being_copied(lantern: Any, fake: MailchimpServer) -> None:
    broken, row = added(lantern, fake), AccountCopy.objects.create(organization=lantern, created=NOW)
    AccountCopy.objects.filter(pk=broken.pk).update(progress_sealed=b"\4" + bytes(60))
    row.settings_sealed = sealed_settings(row, settings_of(broken))
    row.progress_sealed = sealed_progress(row, CopyProgress())
    row.save()
    actions.copy_due(lantern.pk, now=lambda: NOW, stop=lambda: False)
    actions.look_at_all(lantern.pk, now=lambda: NOW)
    row.refresh_from_db()
    assert progress_of(row).finished == NOW
