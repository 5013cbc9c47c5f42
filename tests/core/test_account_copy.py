"""What is kept of an account elsewhere: who left stays out, and nothing grows without end."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from samizdat.core.account_copy import LONGEST, MOST_BYTES, OUT, STATUSES, Contact, bounded, fold, moment, text

EARLY, LATER, LAST = "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"
ADA = Contact("ada@north.example", "subscribed", opted_in=EARLY, changed=EARLY)


def left(status: str = "unsubscribed", at: str = LATER, reason: str = "") -> Contact:
    return fold(ADA, structs.replace(ADA, status=status, changed=at, reason=reason))


def test_who_leaves_has_left_when_that_was_changed():
    assert left().left == LATER


@pytest.mark.parametrize("status", ["subscribed", "archived", "pending", "nonsubscribed"])
@pytest.mark.parametrize("out", sorted(OUT))
def test_who_left_stays_out_whatever_the_service_calls_them_later(status, out):
    again = fold(left(out, reason="no longer"), structs.replace(ADA, status=status, changed=LAST))
    assert (again.status, again.left, again.reason) == (out, LATER, "no longer")


def test_who_agrees_anew_after_leaving_is_subscribed_and_that_they_had_left_stays_known():
    again = fold(left(), structs.replace(ADA, opted_in=LAST, changed=LAST))
    assert (again.status, again.left, again.returned) == ("subscribed", LATER, LAST)


def test_a_consent_from_before_they_left_brings_nobody_back():
    again = fold(left(), structs.replace(ADA, opted_in=LATER, changed=LAST))
    assert again.status == "unsubscribed"


def test_that_they_came_back_stays_known_when_they_change_their_name():
    back = fold(left(), structs.replace(ADA, opted_in=LAST, changed=LAST))
    assert fold(back, structs.replace(ADA, opted_in=LAST, fields={"FNAME": "Ada"})).returned == LAST


def test_who_left_and_changes_their_name_has_left_when_they_left():
    renamed = structs.replace(ADA, status="unsubscribed", changed=LAST, fields={"FNAME": "Ada"})
    assert fold(left(), renamed).left == LATER


def test_a_complaint_stays_one_when_they_unsubscribe_as_well():
    assert fold(left("complained"), structs.replace(ADA, status="unsubscribed", changed=LAST)).status == "complained"


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_nobody_is_subscribed_again_without_a_later_consent(history):
    kept, last_no = None, ""
    for status, opted_in, changed in history:
        at = f"20{10 + changed}-01-01T00:00:00+00:00"
        fresh = Contact("ada@north.example", status, opted_in=f"20{10 + opted_in}-01-01T00:00:00+00:00", changed=at)
        was_out = kept is not None and kept.status in OUT
        kept = fold(kept, fresh)
        if kept.status in OUT and not was_out:
            last_no = kept.left
        if kept.status == "subscribed" and last_no:
            assert kept.left == last_no
            assert kept.returned > last_no


@given(
    st.dictionaries(st.text(max_size=3_000), st.text(max_size=5_000), max_size=40),
    st.lists(st.text(max_size=10), max_size=300),
)
def test_a_contact_always_fits_into_its_row(fields, tags):
    many = {f"F{number}": "\x01" * LONGEST for number in range(300)}
    for held in (fields, {**fields, **many}, dict.fromkeys(map(str, range(300)), "ж" * LONGEST)):
        contact = bounded(Contact("a" * 9_000 + "@x.example", fields=held, tags=tuple(tags) * 9, reason="\x02" * 9_000))
        assert len(msgspec.json.encode(contact)) <= MOST_BYTES


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2015-10-21T15:41:36+00:00", "2015-10-21T15:41:36+00:00"),
        ("2015-10-21T18:41:36.123+03:00", "2015-10-21T15:41:36+00:00"),
        ("2015-10-21T15:41:36Z", "2015-10-21T15:41:36+00:00"),
        ("2015-10-21 15:41:36", "2015-10-21T15:41:36+00:00"),
        (1445442096, "2015-10-21T15:41:36+00:00"),
        ("", ""),
        ("soon", ""),
        (None, ""),
        (True, ""),
        (1e300, ""),
        (["2015"], ""),
    ],
)
def test_times_are_read_as_services_write_them(written, read):
    assert moment(written) == read


def test_what_no_database_stores_is_taken_out_of_texts():
    assert text("a\0b\ud800") == "ab?"
    assert (text(7), text(True), text({"a": 1})) == ("7", "", "")
