"""An answer that came through the public database, from the token in the letter to the record."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import SUBSCRIBED, Subscription
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.crypto import tokens
from samizdat.delivery import actions as delivery
from samizdat.privacy import actions
from samizdat.privacy.models import Renewal
from samizdat.publicdb.models import Intake, Page
from samizdat.vault import keyring
from samizdat.worker.inbox import reconsent
from samizdat.worker.publishing import publish
from tests.conftest import NOW, TODAY
from tests.worker.conftest import moved_in, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(lantern: Any, thursday: Any, tmp_path: Any) -> dict[str, Any]:
    """Ada was written down long ago and is asked again; the letter is on its way."""
    ada = audience.add_subscriber(lantern, "ada@post.example", thursday, consent="So.", now=NOW - timedelta(days=900))
    audience.change_list(thursday, ListDetails(from_email="letter@lantern.example"), now=NOW)
    renewal = actions.count_consent(thursday, now=NOW)
    actions.work(renewal.pk, lambda: NOW, lambda: False)
    renewal.refresh_from_db()
    actions.choose(renewal, [("written", "old")], now=NOW)
    actions.work(renewal.pk, lambda: NOW, lambda: False)
    renewal.refresh_from_db()
    letter = actions.begin_asking(renewal, (NOW + timedelta(days=21)).date(), now=NOW)
    delivery.add_route(lantern, "own", f"folder://{tmp_path}", now=NOW)
    delivery.release(letter, now=NOW)
    Campaign.objects.filter(pk=letter.pk).update(pending=0, accepted=1)
    publish.missing_places(NOW)
    publish.missing_letters(NOW)
    keys = keyring.keys(lantern)
    assert keys.link is not None
    edition = Edition.objects.get(campaign=letter)
    return {"ada": ada, "token": tokens.make(keys.link, "stay", edition.id, ada.number), "keys": keys}


def test_a_letter_to_a_few_stands_in_no_archive(asked: dict[str, Any]) -> None:
    assert [page.listed for page in Page.objects.all()] == [False]


@pytest.mark.parametrize(("came", "counts"), [(0, False), (1, True), (-1, False)])
def test_an_answer_by_a_former_key_counts_for_eight_days_where_it_was_asked_for_before_that_came(
    lantern: Any, thursday: Any, asked: dict[str, Any], vault: Any, came: int, counts: bool
) -> None:
    """Whoever has the file would answer for everybody, and nobody would be moved out."""
    former, edition = tokens.LinkKey(77, bytes(range(32))), Edition.objects.get()
    moved_in(lantern, former, vault, TODAY + timedelta(days=came))
    keyring.look_again(lantern)
    answer = tokens.make(former, "stay", edition.id, asked["ada"].number)
    for days in (10, 9):
        say(lantern, "stay", token=answer, purpose="stay")
        later = NOW + timedelta(days=days)
        reconsent.take(later)
        expected = "confirmed" if counts and days == 9 else "given"
        assert audience.verdict(asked["ada"], thursday, later).reason == expected


def test_a_press_confirms_once_and_a_forged_one_nothing(lantern: Any, thursday: Any, asked: dict[str, Any]) -> None:
    say(lantern, "stay", token="a" * 52, purpose="stay")
    say(lantern, "stay", token=asked["token"], purpose="confirm")
    say(lantern, "stay", token=tokens.make(asked["keys"].link, "stay", 77, asked["ada"].number), purpose="stay")
    # The public process can make this one, and must not answer for anybody.
    edition = tokens.read(asked["keys"].links, "stay", asked["token"]).edition
    for purpose in ("leave", "stay"):
        say(
            lantern,
            "stay",
            token=tokens.make(asked["keys"].link, "leave", edition, asked["ada"].number),
            purpose=purpose,
        )
    reconsent.take(NOW)
    assert audience.verdict(asked["ada"], thursday, NOW).reason == "given"
    for _ in range(2):
        say(lantern, "stay", token=asked["token"], purpose="stay")
    assert reconsent.take(NOW) == 2
    assert audience.verdict(asked["ada"], thursday, NOW).reason == "confirmed"
    assert [entry.kind for entry in queries.card(asked["ada"], NOW).timeline] == ["confirmed", "given"]
    assert not Intake.objects.exists()


def test_an_old_answer_brings_nobody_back_whatever_the_columns_say(
    lantern: Any, thursday: Any, asked: dict[str, Any]
) -> None:
    """Ada said no in answer to that email; somebody else has a copy of it, and the database's columns."""
    ada, later = asked["ada"], NOW + timedelta(days=3)
    audience.unsubscribe(ada, thursday, way="one-click", now=NOW + timedelta(days=1))
    Subscription.objects.filter(subscriber=ada.pk).update(status=SUBSCRIBED, mail_verdict=1)
    say(lantern, "stay", token=asked["token"], purpose="stay", at=later.isoformat())
    reconsent.take(later)
    assert audience.verdict(ada, thursday, later).reason == "left"


@pytest.mark.parametrize("over", ["closed", "closed by the week's end", "of another email"])
def test_a_question_is_open_as_the_log_says(lantern: Any, thursday: Any, asked: dict[str, Any], over: str) -> None:
    renewal, later = Renewal.objects.get(), NOW + timedelta(days=50)
    if over == "closed":
        actions.close(renewal, now=NOW + timedelta(days=2))
    elif over == "of another email":
        other = campaigns.create(lantern, thursday, Draft(subject="Next"), by=None, now=NOW)
        Edition.objects.update(campaign=other)
        Renewal.objects.update(letter=other)
    else:
        Campaign.objects.update(state="finished", finished=NOW)
        actions.move_out(Renewal.objects.get(), now=NOW + timedelta(days=30))
    Renewal.objects.update(state="asking", tag=renewal.tag_id)
    say(lantern, "stay", token=asked["token"], purpose="stay", at=later.isoformat())
    reconsent.take(later)
    assert audience.verdict(asked["ada"], thursday, later).reason == "given"
