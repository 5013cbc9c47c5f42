"""What other services call a complaint, a workbook and a paste, on their way into the database."""

from typing import Any

import pytest

from samizdat.audience import actions, queries
from samizdat.audience.errors import ImportRefused
from samizdat.audience.models import Subscription, Suppression
from samizdat.core import consent
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import later, split
from tests.conftest import NOW
from tests.importers.test_services import BUTTONDOWN, LISTMONK, PASTED
from tests.importers.test_workbook import PEOPLE, book

pytestmark = pytest.mark.django_db

COMPLAINT = consent.REASONS.index("suppressed:complaint")


def test_who_complained_left_and_is_never_written_to_from_any_list(
    bring: Any, tmp_path: Any, lantern: Any, letter: Any
) -> None:
    other = actions.new_list(lantern, "Another", now=NOW)
    dina = actions.add_subscriber(lantern, "dina@x.org", other, consent="by telephone", now=NOW)
    path = tmp_path / "subscribers.csv"
    path.write_text(BUTTONDOWN)
    made = bring(path, at=later(1))
    assert made.source == "buttondown"
    assert {status: queries.count(lantern, letter, status) for status in consent.STATUSES} == {
        "pending": 1, "subscribed": 1, "unsubscribed": 2, "cleaned": 1, "nonsubscribed": 0,
    }  # fmt: skip
    assert sorted(Suppression.objects.values_list("reason", flat=True)) == ["bounce", "complaint"]
    assert set(Subscription.objects.filter(subscriber=dina).values_list("mail_verdict", flat=True)) == {COMPLAINT}
    assert_projections_hold(lantern, later(1))
    assert split(bring(path, at=later(2)).counts) == (0, 0, 5, 0)


def test_what_listmonk_blocked_survives_and_the_rest_is_asked(
    bring: Any, tmp_path: Any, lantern: Any, letter: Any
) -> None:
    path = tmp_path / "subscribers.csv"
    path.write_text(LISTMONK)
    with pytest.raises(ImportRefused, match="doesn’t say whether these people are subscribed"):
        bring(path)
    bring(path, status="subscribed")
    assert queries.count(lantern, letter, "subscribed") == 1
    assert queries.count(lantern, letter, "unsubscribed") == 2
    assert list(Suppression.objects.values_list("reason", flat=True)) == ["complaint"]
    assert_projections_hold(lantern, NOW)


def test_a_workbook_and_a_paste_come_in_like_any_file(bring: Any, tmp_path: Any, lantern: Any, letter: Any) -> None:
    workbook, paste = tmp_path / "people.xlsx", tmp_path / "paste.txt"
    workbook.write_bytes(book({"People": PEOPLE}))
    paste.write_text(PASTED)
    assert split(bring(workbook, answers=(["Newsletter=status"], [])).counts) == (2, 0, 0, 1)
    assert split(bring(paste, status="subscribed").counts) == (3, 2, 0, 0)
    assert queries.count(lantern, letter, "unsubscribed") == 1  # Boris, who left by the workbook, stays left
    assert queries.card(queries.subscriber_at(lantern, "emil@x.org"), NOW).values["LNAME"] == "Stone"
    assert_projections_hold(lantern, NOW)
