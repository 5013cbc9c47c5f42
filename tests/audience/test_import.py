"""Bringing an export in: what it becomes, twice, in parts, against what is known."""

from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction

from samizdat.audience import actions, consistency, queries
from samizdat.audience.actions import put_wording
from samizdat.audience.errors import ImportRefused
from samizdat.audience.models import ConsentRecord, Import, ListTotal, Subscriber, Subscription, Suppression
from samizdat.core import consent
from samizdat.vault import keyring
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import later, split, statuses
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


def test_a_real_export_comes_in_with_the_statuses_it_had(bring: Any, real: Any, lantern: Any, letter: Any) -> None:
    made = bring(*real)
    assert made.state == "finished"
    assert split(made.counts) == (made.counts["rows"], 0, 0, 0)
    assert statuses(made.counts) == {"subscribed": 5, "unsubscribed": 5, "cleaned": 5}
    for status in ("subscribed", "unsubscribed", "cleaned"):
        assert queries.count(lantern, letter, status) == 5
    assert queries.count(lantern, letter, "cleaned", "Editors") == 4
    assert Suppression.objects.filter(reason="bounce").count() == 5
    assert_projections_hold(lantern, NOW)


def test_the_same_export_twice_changes_nothing(bring: Any, real: Any, lantern: Any) -> None:
    bring(*real)
    before = (
        Subscriber.objects.count(),
        ConsentRecord.objects.count(),
        list(ListTotal.objects.order_by("status").values()),
    )
    again = bring(*real, at=later(1))
    assert split(again.counts) == (0, 0, 15, 0)
    assert statuses(again.counts) == {"subscribed": 5, "unsubscribed": 5, "cleaned": 5}
    assert (
        Subscriber.objects.count(),
        ConsentRecord.objects.count(),
        list(ListTotal.objects.order_by("status").values()),
    ) == before
    assert_projections_hold(lantern, later(1))


def test_a_file_without_times_twice_changes_nothing_either(bring: Any, tmp_path: Any, lantern: Any) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email,name\nada@post.example,Ada\nboris@post.example,Boris\n")
    assert split(bring(path, status="subscribed").counts) == (2, 0, 0, 0)
    assert split(bring(path, status="subscribed", at=later(2)).counts) == (0, 0, 2, 0)
    assert ConsentRecord.objects.count() == 2


def test_how_far_it_is_grows_slice_by_slice_up_to_the_whole(
    tmp_path: Any, lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.imports.actions.SLICE", 10)
    path = tmp_path / "people.csv"
    path.write_text("email\n" + "".join(f"ada{n}@post.example\n" for n in range(50)))
    shares: list[float] = []
    actions.direct(
        lantern,
        letter,
        [path],
        status="subscribed",
        now=lambda: NOW,
        progress=lambda state: shares.append(state.bytes_read / state.bytes_total),
    )
    assert shares[0] <= 0.3 and shares[-1] == 1.0
    assert all(one < other for one, other in pairwise(shares)), shares


def test_a_dry_run_gives_the_numbers_of_the_real_run_and_writes_nothing(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    bring(
        export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00", "boris@post.example,Boris,2020-01-01 10:00:00")
    )
    actions.erase(lantern, address="boris@post.example", now=NOW)
    files = [
        str(export("cleaned", "dead@post.example,,2019-01-01 10:00:00", "ADA@post.example", name="ff")),
        str(export("unsubscribed", "left@post.example,,2019-01-01 10:00:00", name="ff")),
        str(
            export(
                "subscribed", "left@post.example", "boris@post.example", "not an address", "new@post.example", name="ff"
            )
        ),
    ]
    rows = (Subscriber.objects.count(), Import.objects.count(), ConsentRecord.objects.count())
    seen = actions.look(lantern, letter, files, now=NOW)
    assert (Subscriber.objects.count(), Import.objects.count(), ConsentRecord.objects.count()) == rows
    assert seen.counts == bring(*files).counts
    assert split(seen.counts) == (3, 1, 1, 2)
    assert seen.counts["duplicates"] == 1 and seen.counts["here"] == 1
    assert statuses(seen.counts) == {"cleaned": 2, "unsubscribed": 2, "subscribed": 1}
    assert sorted(sample.initial for sample in seen.samples) == ["A", "b", "d", "l", "l", "n"]
    assert_projections_hold(lantern, NOW)


def test_whoever_left_stays_left_whatever_a_later_file_says(bring: Any, export: Any, lantern: Any, letter: Any) -> None:
    bring(export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00,,2020-01-01 10:00:00"))
    ada = queries.subscriber_at(lantern, "ada@post.example")
    assert actions.unsubscribe(ada, letter, way="one-click", now=NOW)
    made = bring(export("subscribed", "ada@post.example,Ada,2026-01-01 10:00:00,,2026-11-01 10:00:00", name="11"))
    assert statuses(made.counts) == {"unsubscribed": 1} and made.counts["kept_left"] == 1
    assert actions.verdict(ada, letter, NOW).reason == "left"
    assert_projections_hold(lantern, NOW)


def test_a_file_that_names_a_subscriber_as_gone_takes_them_off(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    gone = export("unsubscribed", "Ada@post.example,Ada,2019-01-01 10:00:00,,,,2020-05-05 10:00:00,,,SPAM")
    made = bring(gone)
    assert split(made.counts) == (0, 1, 0, 0) and statuses(made.counts) == {"unsubscribed": 1}
    assert_projections_hold(lantern, NOW)
    # They come back by themselves; the same file does not send them away again.
    ada = queries.subscriber_at(lantern, "ada@post.example")
    assert isinstance(actions.confirm(ada, letter, now=later(1)), consent.Refusal) is False
    assert split(bring(gone, at=later(2)).counts) == (0, 0, 1, 0)
    assert queries.count(lantern, letter, "subscribed") == 1
    assert_projections_hold(lantern, later(2))


def test_the_strongest_suppression_of_all_files_wins(bring: Any, export: Any, lantern: Any, letter: Any) -> None:
    who = "ada@post.example,Ada,2019-01-01 10:00:00,,2019-01-01 10:00:00"
    made = bring(
        export("subscribed", who), export("nonsubscribed", who), export("unsubscribed", who), export("cleaned", who)
    )
    assert split(made.counts) == (1, 0, 3, 0) and made.counts["duplicates"] == 3
    assert queries.count(lantern, letter, "cleaned") == 1 == queries.count(lantern, letter)
    assert queries.suppression_of(lantern, "ada@post.example") == "bounce"
    assert_projections_hold(lantern, NOW)


def test_a_dead_address_is_suppressed_on_every_list(bring: Any, export: Any, lantern: Any, letter: Any) -> None:
    other = actions.new_list(lantern, "Court Diary", now=NOW)
    bring(export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00"), list=other)
    bring(export("cleaned", "ada@post.example,Ada,2020-01-01 10:00:00"))
    standings = {standing.name: standing.verdict.reason for standing in card(lantern).lists}
    assert standings == {"The Thursday Letter": "suppressed:bounce", "Court Diary": "suppressed:bounce"}
    assert_projections_hold(lantern, NOW)


def test_nonsubscribed_are_known_and_not_mailable(bring: Any, export: Any, lantern: Any, letter: Any) -> None:
    bring(export("nonsubscribed", "ada@post.example,Ada,2020-01-01 10:00:00"))
    row = Subscription.objects.get()
    assert (row.status, consent.REASONS[row.mail_verdict]) == (4, "never_agreed")
    assert not ConsentRecord.objects.exists()
    assert queries.reach(letter) == {"subscribed": 0, "suppressed": 0, "may": 0}


def card(organization: Any, address: str = "ada@post.example") -> Any:
    return queries.card(queries.subscriber_at(organization, address), NOW)


def test_times_become_consent_records_with_the_source_named(bring: Any, export: Any, lantern: Any) -> None:
    agreed_at = "2019-05-14 18:22:03,1.2.3.4,2019-05-14 18:25:00,1.2.3.4"
    line = f"ada@post.example,Ada,{agreed_at},2022-03-01 09:00:00,,,OTHER,too many"
    bring(export("unsubscribed", line), basis="They signed up with us.")
    left, agreed = card(lantern).timeline
    assert (agreed.kind, agreed.day, agreed.at, agreed.asked_at) == (
        "confirmed", date(2019, 5, 14), "2019-05-14T18:25:00Z", "2019-05-14T18:22:03Z",
    )  # fmt: skip
    assert (agreed.way, agreed.wording) == ("import", "They signed up with us.")
    assert agreed.source == "mailchimp, unsubscribed_members_export_0a1b2c.csv, line 2"
    assert (left.kind, left.day, left.reason) == ("withdrawn", date(2022, 3, 1), "OTHER: too many")
    assert not any("1.2.3.4" in str(entry) for entry in (left, agreed))


def test_signed_up_and_confirmed_on_different_days_are_two_records(bring: Any, export: Any, lantern: Any) -> None:
    bring(export("subscribed", "ada@post.example,Ada,2019-05-14 23:59:00,,2019-05-16 08:00:00"))
    assert [(entry.kind, entry.day.day) for entry in card(lantern).timeline] == [("confirmed", 16), ("given", 14)]
    assert card(lantern).lists[0].since == card(lantern).lists[0].verdict.record.day == date(2019, 5, 16)
    assert card(lantern).joined == date(2019, 5, 14)


def test_readable_of_an_import_is_its_own_day_and_nothing_that_the_file_tells(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    times = "2019-05-14 10:00:00,,2019-05-16 10:00:00,,2022-03-01 09:00:00,,2023-04-05 09:00:00"
    files = [
        export("subscribed", f"ada@post.example,Ada,{times}"),
        export("unsubscribed", f"boris@post.example,Boris,{times}"),
        export("cleaned", f"clara@post.example,Clara,{times}"),
        export("nonsubscribed", f"dora@post.example,Dora,{times}"),
    ]
    seen = actions.look(lantern, letter, [str(path) for path in files], now=NOW)
    assert sorted(sample.since for sample in seen.samples) == ["2019-05-16", "2022-03-01", "2022-03-01", "2026-11-25"]
    bring(*files)
    assert {row.joined for row in Subscriber.objects.all()} == {NOW.date()}
    assert {row.since for row in Subscription.objects.all()} == {NOW.date()}
    assert {row.day for row in ConsentRecord.objects.all()} == {NOW.date()}
    for day in (1, 2):
        assert split(bring(*files, at=later(day)).counts) == (0, 0, 4, 0)
    assert {row.day for row in ConsentRecord.objects.all()} == {NOW.date()}
    assert_projections_hold(lantern, later(2))


def test_a_later_export_tells_what_is_new_and_moves_the_readable_day(bring: Any, export: Any, lantern: Any) -> None:
    bring(export("subscribed", "ada@post.example,Ada,2019-05-14 10:00:00"))
    newer = export("subscribed", "ada@post.example,Ada,2019-05-14 10:00:00,,2024-05-16 10:00:00", name="ff")
    assert split(bring(newer, at=later(3)).counts) == (0, 1, 0, 0)
    assert split(bring(newer, at=later(4)).counts) == (0, 0, 1, 0)
    assert queries.page(lantern).rows[0].since == later(3).date()
    assert [entry.at[:4] for entry in card(lantern).timeline] == ["2024", "2019"]
    assert_projections_hold(lantern, later(4))


def test_the_page_of_a_subscriber_is_in_the_order_of_what_happened_not_of_what_was_read(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    bring(export("subscribed", "ada@post.example,Ada,2019-05-14 10:00:00"), at=later(1))
    assert [(entry.kind, entry.day) for entry in queries.card(ada, later(1)).timeline] == [
        ("given", NOW.date()), ("given", date(2019, 5, 14)),
    ]  # fmt: skip
    assert_projections_hold(lantern, later(1))


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned"])
def test_whoever_the_file_names_as_gone_is_gone_whatever_its_times_say(
    bring: Any, export: Any, lantern: Any, letter: Any, status: str
) -> None:
    bring(export(status, "ada@post.example,Ada,2020-05-14 10:00:00,,2020-05-16 10:00:00,,2018-01-01 10:00:00"))
    assert queries.count(lantern, letter, status) == 1
    newest = card(lantern).timeline[0]
    assert (newest.at, newest.day) == ("2018-01-01T10:00:00Z", date(2020, 5, 16)), "shown after what it ended"
    assert_projections_hold(lantern, NOW)


@pytest.mark.parametrize("status", ["subscribed", "pending"])
def test_no_file_brings_back_who_left_here(bring: Any, export: Any, lantern: Any, letter: Any, status: str) -> None:
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="on paper", now=NOW)
    actions.unsubscribe(ada, letter, now=NOW)
    path = export("subscribed", "ada@post.example,Ada,2026-11-26 01:00:00,,2026-11-27 10:00:00")
    renamed = path.rename(path.with_name(f"{status}.csv"))
    bring(renamed, at=later(4))
    assert queries.count(lantern, letter, "unsubscribed") == 1
    assert_projections_hold(lantern, later(4))


def test_a_time_in_the_future_counts_from_the_day_of_the_import(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    path = export("subscribed", "ada@post.example,Ada,2031-01-01 10:00:00")
    bring(path)
    assert queries.count(lantern, letter, "subscribed") == 1
    assert card(lantern).timeline[0].day == NOW.date()
    assert split(bring(path, at=later(3)).counts) == (0, 0, 1, 0)
    assert_projections_hold(lantern, NOW)


def test_a_known_subscriber_gets_what_is_new_and_keeps_what_is_not_said(bring: Any, export: Any, lantern: Any) -> None:
    bring(export("subscribed", 'ada@post.example,Ada,2020-01-01 10:00:00,,,,,,,Called in March,"""monthly"""'))
    made = bring(export("subscribed", 'ADA@post.example,Adele,2020-01-01 10:00:00,,,,,,,,"""fair"""', name="22"))
    assert split(made.counts) == (0, 1, 0, 0)
    ada = card(lantern)
    assert (ada.address, ada.values["FNAME"], ada.notes, ada.tags) == (
        "ada@post.example", "Adele", "Called in March", ["fair", "monthly"],
    )  # fmt: skip
    assert queries.count(lantern, tag="fair") == 1 == queries.count(lantern, tag="MONTHLY")
    assert_projections_hold(lantern, NOW)


def test_rejected_lines_are_kept_without_their_content(bring: Any, export: Any) -> None:
    told: list[Any] = []
    made = bring(
        export("subscribed", "ada@post.example,Ada", "ada.post.example,Ada", "a@b@c.example,X", ",No"),
        rejected=lambda *reject: told.append(reject),
    )
    assert split(made.counts) == (1, 0, 0, 3)
    rows = list(actions.reject_rows(made))
    assert rows == told
    assert [line for _file, line, _sentence in rows] == [3, 4, 5]
    assert "missing" in rows[0][2] and "more than one @" in rows[1][2]
    assert not any("post.example" in sentence for _file, _line, sentence in rows)


def test_whoever_was_erased_comes_back_by_themselves_but_not_by_a_file(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    path = export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00", "boris@post.example,Boris")
    bring(path)
    assert actions.erase(lantern, address="Ada@post.example", now=NOW)
    made = bring(path)
    assert split(made.counts) == (0, 0, 1, 1)
    assert next(actions.reject_rows(made))[2].startswith("This person’s data was erased, so they can’t be imported")
    ada = actions.sign_up(lantern, "ada@post.example", letter, wording="Send me the letter.", now=NOW)
    assert actions.confirm(ada, letter, now=NOW).reason == "confirmed"
    assert queries.count(lantern, letter, "subscribed") == 2
    assert_projections_hold(lantern, NOW)


def test_who_was_erased_and_whose_mail_came_back_does_not_come_back_by_a_file(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    bring(export("subscribed", "ada@post.example,Ada"))
    actions.erase(lantern, address="ada@post.example", now=NOW)
    for reason in ("bounce", "complaint"):
        actions.suppress(lantern, reason, address="ada@post.example", now=NOW)
    assert split(bring(export("subscribed", "ada@post.example,Ada", name="ff")).counts) == (0, 0, 0, 1)


def test_a_file_does_not_find_somebody_under_an_index_that_was_written_beside_their_row(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="Yes.", now=NOW)
    actions.unsubscribe(ada, letter, now=NOW)
    own = bytes(ada.email_index)
    Subscriber.objects.filter(id=ada.id).update(email_index=keyring.keys(lantern).blind("x@evil.example"))
    made = bring(export("subscribed", "x@evil.example,Other"))
    assert split(made.counts) == (1, 0, 0, 0)
    ada.refresh_from_db()
    assert bytes(ada.email_index) == own and queries.values_of(ada)["EMAIL"] == "ada@post.example"
    assert queries.subscriber_at(lantern, "x@evil.example") is not None
    assert queries.count(lantern, letter, "unsubscribed") == 1
    assert_projections_hold(lantern, NOW)


def test_who_stands_on_the_stop_list_comes_in_and_is_not_written_to(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    actions.suppress(lantern, "complaint", address="ada@post.example", now=NOW)
    bring(export("subscribed", "ada@post.example,Ada", "clara@post.example,Clara"))
    ada, clara = (queries.subscriber_at(lantern, f"{name}@post.example") for name in ("ada", "clara"))
    assert {row.subscriber_id: consent.REASONS[row.mail_verdict] for row in Subscription.objects.all()} == {
        ada.id: "suppressed:complaint",  # type: ignore[union-attr]
        clara.id: "yes",  # type: ignore[union-attr]
    }
    assert_projections_hold(lantern, NOW)


def test_of_an_address_that_stands_in_a_file_three_times_the_strongest_counts_before_and_after(
    bring: Any, tmp_path: Any, lantern: Any, letter: Any
) -> None:
    path = tmp_path / "people.csv"
    rows = [f"ada@post.example,{status}" for status in ("subscribed", "unsubscribed", "subscribed")]
    path.write_text("\n".join(["email,status", *rows]) + "\n")
    seen = actions.look(lantern, letter, [str(path)], now=NOW)
    assert seen.counts == bring(path).counts
    assert queries.count(lantern, letter, "unsubscribed") == 1


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.csv", "email,name\nno address,Ada\nneither,Boris\n", "no_address_column"),
        (
            "subscribed_members_export_1.csv",
            "Email Address,OPTIN_TIME,CONFIRM_TIME\nnothing,,\nneither,,\n",
            "no_address_rows",
        ),
        ("empty.csv", "", "empty"),
        ("page.html", "<html><body>Sign in</body></html>", "web_page"),
    ],
)
def test_no_row_that_is_an_address_is_refused_and_nothing_written(
    bring: Any, tmp_path: Any, name: str, text: str, code: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ImportRefused) as refused:
        bring(path)
    assert refused.value.code == code
    assert not Import.objects.exists() and not Subscriber.objects.exists()


def test_a_list_from_elsewhere_is_asked_about_and_the_answer_counts(bring: Any, tmp_path: Any) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email\nada@post.example\n")
    with pytest.raises(ImportRefused) as refused:
        bring(path)
    assert refused.value.code == "ask_status" and not Subscriber.objects.exists()
    assert statuses(bring(path, status="unsubscribed").counts) == {"unsubscribed": 1}


def test_a_file_that_says_no_status_is_asked_about(bring: Any, tmp_path: Any, lantern: Any, letter: Any) -> None:
    path = tmp_path / "people.csv"
    path.write_text("Email Address,OPTIN_TIME,CONFIRM_TIME,MEMBER_RATING\nada@post.example,2020-01-01 10:00:00,,3\n")
    with pytest.raises(ImportRefused) as refused:
        bring(path)
    assert refused.value.code == "ask_status"
    assert statuses(bring(path, status="pending").counts) == {"pending": 1}


def test_numbers_do_not_follow_the_order_of_the_file(bring: Any, export: Any, lantern: Any) -> None:
    bring(export("subscribed", *(f"reader{number}@post.example,R" for number in range(200))))
    found = [queries.subscriber_at(lantern, f"reader{number}@post.example").number for number in range(200)]
    assert len(set(found)) == 200 and all(1 <= number <= 5000 for number in found)
    rising = sum(1 for one, other in pairwise(found) if one < other)
    assert 60 < rising < 140  # In the order of the file it would be 199, by chance it is 100.


def test_the_files_of_one_import_share_a_block_of_numbers(bring: Any, export: Any, lantern: Any) -> None:
    few = [f"few{number}@post.example,F" for number in range(20)]
    many = [f"many{number}@post.example,M" for number in range(200)]
    bring(export("cleaned", *few), export("subscribed", *many), export("unsubscribed", "last@post.example"))
    numbers = [row.number for row in Subscriber.objects.all()]
    assert len(numbers) == 221 and max(numbers) <= 5000
    lantern.refresh_from_db()
    assert lantern.next_number == 5001
    few_numbers = [queries.subscriber_at(lantern, line.split(",")[0]).number for line in few]
    assert max(few_numbers) - min(few_numbers) > 1000, "scattered over the block among the others"


def test_a_number_that_a_sign_up_took_meanwhile_is_not_given_again(lantern: Any, letter: Any, monkeypatch: Any) -> None:
    from samizdat.audience import numbers

    monkeypatch.setattr(numbers, "BLOCK", 12)
    run = numbers.Numbers(lantern.id)
    with transaction.atomic():
        first = run.take(2)
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="yes", now=NOW)
    boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="yes", now=NOW)
    actions.erase(lantern, subscriber=boris, now=NOW)
    with transaction.atomic():
        rest = run.take(15)
    given = [*first, *rest]
    assert len(set(given)) == 17 and not {ada.number, boris.number} & {*rest}


def test_numbers_of_a_rolled_back_slice_are_forgotten(lantern: Any, vault: Any) -> None:
    from samizdat.audience.numbers import Numbers

    run = Numbers(lantern.id)
    with transaction.atomic():
        run.take(3)
        transaction.set_rollback(True)
    run.forget()
    with transaction.atomic():
        run.take(3)
    lantern.refresh_from_db()
    assert lantern.next_number == 5001


def test_somebody_who_signs_up_while_their_slice_is_written_is_found_at_the_second_look(
    bring: Any, export: Any, lantern: Any, letter: Any, monkeypatch: Any
) -> None:
    from samizdat.audience.imports.diff import KnownSubscribers

    actions.add_subscriber(lantern, "ada@post.example", letter, consent="Weekly.", now=NOW)
    find, looks = KnownSubscribers.find, []

    def blind_at_first(self: Any, rows: Any) -> Any:
        looks.append(1)
        return find(self, rows) if len(looks) > 1 else {}

    monkeypatch.setattr(KnownSubscribers, "find", blind_at_first)
    made = bring(export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00", "boris@post.example,Boris"))
    assert split(made.counts) == (1, 1, 0, 0)
    assert_projections_hold(lantern, NOW)


def test_somebody_who_is_erased_while_their_row_is_compared_is_looked_for_again(
    bring: Any, export: Any, lantern: Any, letter: Any, monkeypatch: Any
) -> None:
    from samizdat.audience import sql as audience_sql

    row = actions.add_subscriber(lantern, "ada@post.example", letter, consent="Weekly.", now=NOW)
    lock = audience_sql.lock_subscribers

    def too_late(ids: Any) -> bool:
        monkeypatch.setattr(audience_sql, "lock_subscribers", lock)
        Subscriber.objects.filter(id=row.id).delete()  # By somebody else; here it goes back with the first try.
        return True

    monkeypatch.setattr(audience_sql, "lock_subscribers", too_late)
    made = bring(export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00"))
    assert split(made.counts) == (0, 1, 0, 0)
    assert_projections_hold(lantern, NOW)


def test_into_an_empty_house_nobody_is_looked_up_and_who_signs_up_meanwhile_is_met(
    bring: Any, export: Any, lantern: Any, letter: Any, monkeypatch: Any
) -> None:
    from samizdat.audience.imports.diff import KnownSubscribers
    from samizdat.audience.imports.writer import ImportWriter

    find, looks, slice = KnownSubscribers.find, [], ImportWriter.slice

    def counted(self: Any, rows: Any) -> Any:
        looks.append(1)
        return find(self, rows)

    def signing_up(self: Any, made: Any) -> Any:
        monkeypatch.setattr(ImportWriter, "slice", slice)
        actions.add_subscriber(lantern, "ada@post.example", letter, consent="Weekly.", now=NOW)
        return slice(self, made)

    monkeypatch.setattr(KnownSubscribers, "find", counted)
    file = export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00", "boris@post.example,Boris")
    monkeypatch.setattr(ImportWriter, "slice", signing_up)
    # Their own row of the same transaction goes with the first try, as nothing else of it stays.
    assert split(bring(file).counts) == (2, 0, 0, 0)
    assert looks == [1]
    bring(export("subscribed", "clara@post.example,Clara", name="1b"))
    assert_projections_hold(lantern, NOW)


def test_digests_of_many_records_are_those_of_one_each(vault: Any) -> None:
    from samizdat.audience import consent_records

    proof = consent_records.digester(7, 12, consent_records.NEWSLETTER, consent_records.IMPORT, "2026-11-25")
    for kind in range(len(consent.KINDS)):
        one = consent_records.digest(
            7, 99, 12, kind, consent_records.NEWSLETTER, consent_records.IMPORT, "2026-11-25", b"sealed"
        )
        assert proof(99, kind, b"sealed") == one


def _change_index_key(organization: Any, vault: Any) -> None:
    import os

    from samizdat.vault.models import VaultKey

    secret = keyring.keys(organization).index[1]
    for number, key, current in ((1, secret, False), (2, os.urandom(32), True)):
        wrapped = vault.wrap(keyring.label("index", number, organization, came=None if current else NOW.date()), key)
        VaultKey.objects.update_or_create(
            organization=organization,
            kind="index",
            number=number,
            defaults={"wrapped": wrapped, "current": current, "created": NOW.date()},
        )
    keyring.use(vault)


def test_while_the_index_key_is_changed_both_keys_find_a_subscriber(
    bring: Any, real: Any, lantern: Any, letter: Any, vault: Any
) -> None:
    bring(*real)
    actions.suppress(lantern, "manual", address="s1@example.com", now=NOW)
    _change_index_key(lantern, vault)
    assert keyring.keys(lantern).index_version == 2
    assert split(bring(*real).counts) == (0, 0, 15, 0)
    assert queries.suppression_of(lantern, "S1@example.com") == "manual"
    added = actions.add_subscriber(lantern, "s1@example.com", letter, consent="again", now=NOW)
    assert Subscriber.objects.count() == 15 and actions.verdict(added, letter, NOW).reason == "suppressed:manual"
    assert_projections_hold(lantern, NOW)


def test_while_the_index_key_is_changed_the_stop_list_knows_both(lantern: Any, vault: Any) -> None:
    from samizdat.audience.actions.suppressions import suppress_many

    assert suppress_many(lantern, "ada@post.example", "manual", now=NOW).added == 1
    _change_index_key(lantern, vault)
    taken = suppress_many(lantern, "Ada@post.example", "manual", now=NOW)
    assert (taken.added, taken.known) == (0, 1)


def test_a_million_tags_are_refused_with_a_sentence(bring: Any, tmp_path: Any, monkeypatch: Any) -> None:
    from samizdat.audience import tags_and_fields

    monkeypatch.setattr(tags_and_fields, "MOST_TAGS", 3)
    path = tmp_path / "people.csv"
    path.write_text("email,tags\n" + "".join(f"reader{turn}@post.example,tag {turn}\n" for turn in range(5)))
    with pytest.raises(ImportRefused, match="right column"):
        bring(path, status="subscribed")
    assert not Subscriber.objects.exists()


def test_an_import_that_only_updates_adds_nobody_and_brings_nobody_back(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    other = actions.new_list(lantern, "Alerts", now=NOW)
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="by telephone", now=NOW)
    actions.unsubscribe(boris, letter, way="one-click", now=NOW)
    actions.add_subscriber(lantern, "clara@post.example", other, consent="by telephone", now=NOW)
    actions.erase(lantern, address="dmitri@post.example", now=NOW)
    rows = ("ada@post.example,Ada", "boris@post.example,Boris", "clara@post.example,Clara", "dmitri@post.example,D",
            "eva@post.example,Eva", "eva@post.example,Eva", "no address")  # fmt: skip
    path = export("subscribed", *rows)
    options = actions.options_of(["Book fair", " ", "Book fair"], update_only=True)
    seen = actions.look(lantern, letter, [path], options=options, now=later(1))
    made = bring(path, options=options, at=later(1))
    assert made.counts == seen.counts
    assert (split(made.counts), made.counts["skipped"]) == ((0, 2, 0, 1), 4)
    assert made.counts["rows"] == 7 and made.counts["duplicates"] == 1
    assert statuses(made.counts) == {"subscribed": 1, "unsubscribed": 1}
    assert Subscriber.objects.count() == 3 and Subscription.objects.filter(list=letter).count() == 2
    assert actions.verdict(boris, letter, later(1)).reason == "left"
    assert queries.count(lantern, letter, tag="Book fair") == 2 and queries.count(lantern, other, tag="Book fair") == 0
    ada.refresh_from_db()
    shown = queries.card(ada, later(1))
    assert shown.values["FNAME"] == "Ada" and [*shown.tags] == ["Book fair"]
    assert split(bring(path, options=options, at=later(2)).counts) == (0, 0, 2, 1)
    assert_projections_hold(lantern, later(2))


def test_an_import_that_only_updates_asks_nobody_whether_they_are_subscribed_and_hears_every_no(
    bring: Any, tmp_path: Any, export: Any, lantern: Any, letter: Any
) -> None:
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    path = tmp_path / "people.csv"
    path.write_text("email,name\nada@post.example,Ada\neva@post.example,Eva\n")
    records, options = ConsentRecord.objects.count(), actions.options_of([], update_only=True)
    assert (split(bring(path, options=options).counts)) == (0, 1, 0, 0)
    assert ConsentRecord.objects.count() == records, "a file about fields is no consent"
    gone = export("unsubscribed", "ada@post.example,Ada,2019-01-01 10:00:00,,,,2026-11-26 10:00:00")
    bring(gone, options=options, at=later(3))
    assert actions.verdict(ada, letter, later(3)).reason == "left"
    assert_projections_hold(lantern, later(3))


def test_the_tags_of_an_import_are_put_on_everybody_in_it(bring: Any, tmp_path: Any, lantern: Any, letter: Any) -> None:
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    path = tmp_path / "people.csv"
    path.write_text("email,tags\nada@post.example,Riga\nboris@post.example,\n")
    made = bring(path, status="subscribed", options=actions.options_of(["Book fair", "riga"]))
    assert split(made.counts) == (1, 1, 0, 0)
    assert queries.count(lantern, letter, tag="Book fair") == queries.count(lantern, letter, tag="Riga") == 2
    again = bring(path, status="subscribed", options=actions.options_of(["Press"]), at=later(1))
    assert split(again.counts) == (0, 2, 0, 0), "other tags are another import of the same file"
    with pytest.raises(ImportRefused, match="at most 20"):
        actions.options_of(f"tag {n}" for n in range(21))
    assert_projections_hold(lantern, later(1))


def test_a_no_of_a_file_counts_though_a_record_that_nobody_wrote_says_it_already(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    """Whoever writes the database lays it there before the import, and takes it away after it."""
    ada = actions.add_subscriber(lantern, "ada@post.example", letter, consent="by telephone", now=NOW)
    gone = "Ada@post.example,Ada,2019-01-01 10:00:00,,,,2020-05-05 10:00:00,,,SPAM"
    bring(export("unsubscribed", gone))
    genuine = ConsentRecord.objects.filter(subscriber=ada).latest("id")
    copied = bytes(genuine.sealed)
    genuine.delete()
    consistency.mend_all(lantern, NOW)
    assert queries.count(lantern, letter, "subscribed") == 1
    forged = ConsentRecord.objects.create(
        organization=lantern, subscriber=ada, list=letter, kind=genuine.kind, channel=genuine.channel,
        day=genuine.day, sealed=copied, digest=bytes(32),
    )  # fmt: skip
    bring(export("unsubscribed", gone, name="11"), at=later(1))
    forged.delete()
    consistency.mend_all(lantern, later(1))
    assert queries.count(lantern, letter, "unsubscribed") == 1


WORDS = "Send me the letter, and tell me when you need donations."


def test_a_consent_that_covered_appeals_becomes_a_record_in_the_words_that_were_shown(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    confirmed = "2019-05-14 10:00:00,,2019-05-16 10:00:00,"
    files = [
        export("subscribed", f"ada@post.example,Ada,{confirmed}"),
        export("unsubscribed", f"boris@post.example,Boris,{confirmed},2022-03-01 09:00:00"),
        export("nonsubscribed", f"dora@post.example,Dora,{confirmed}"),
    ]
    put_wording(letter, WORDS, language="en", purpose="fundraising", now=NOW)
    bring(*files, options=actions.options_of((), appeals=f" {WORDS} "))
    appeals, *letters = card(lantern).timeline
    assert (appeals.kind, appeals.at, appeals.wording) == ("confirmed", "2019-05-16T10:00:00Z", WORDS)
    assert appeals.source == "mailchimp, subscribed_members_export_0a1b2c.csv, line 2" == letters[0].source
    assert [record.purpose for record in ConsentRecord.objects.all()].count(1) == 1, "of the subscribed one alone"
    assert asked(lantern) == {"ada@post.example"}
    again = bring(*files, at=later(1), options=actions.options_of((), appeals=WORDS))
    assert split(again.counts) == (0, 0, 3, 0)
    assert_projections_hold(lantern, later(1))


def test_who_came_in_without_it_gets_appeals_once_the_same_file_says_that_they_agreed(
    bring: Any, export: Any, lantern: Any, letter: Any
) -> None:
    file = export("subscribed", "ada@post.example,Ada", "boris@post.example,Boris", "clara@post.example,Clara")
    bring(file)
    assert asked(lantern) == set()
    boris, clara = (queries.subscriber_at(lantern, f"{name}@post.example") for name in ("boris", "clara"))
    actions.add_subscriber(lantern, "boris@post.example", letter, consent="yes", purpose="fundraising", now=NOW)
    actions.unsubscribe(boris, letter, purpose="fundraising", way="form", now=NOW)
    actions.unsubscribe(clara, letter, way="form", now=NOW)
    options = actions.options_of((), appeals=WORDS)
    seen = actions.look(lantern, letter, [str(file)], now=later(1), options=options)
    assert asked(lantern) == set(), "a look writes nothing"
    brought = bring(file, at=later(1), options=options)
    assert split(seen.counts) == split(brought.counts) == (0, 1, 2, 0)
    assert asked(lantern) == {"ada@post.example"}, "who said no to appeals, or left, is asked by no file"
    assert_projections_hold(lantern, later(1))


def test_consent_to_appeals_needs_words_and_an_import_that_brings_consent() -> None:
    for refused in ({"appeals": " "}, {"appeals": "x" * 1_001}, {"appeals": WORDS, "update_only": True}):
        with pytest.raises(ImportRefused):
            actions.options_of((), **refused)


def asked(organization: Any) -> set[str]:
    """Who gets appeals for money."""
    ids = Subscription.objects.filter(fundraising_verdict=consent.YES).values_list("subscriber_id", flat=True)
    return {queries.card(row, NOW).address for row in Subscriber.objects.filter(id__in=ids)}
