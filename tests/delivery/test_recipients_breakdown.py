"""Who gets a letter and who does not: an addition that comes out at what a release freezes."""

from datetime import date, timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience.models import MONTHLY, Subscription, Suppression, row_id
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import translations
from samizdat.campaigns.drafts import copy, revisions
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.core.consent import APPEALS, LETTERS, PAUSED, YES
from samizdat.delivery.actions import release
from samizdat.delivery.audience_size import reach_of
from samizdat.delivery.recipients_breakdown import whom
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


class Town:
    """A list with somebody in every state that keeps a letter from them, and Zoe and Yana who get it."""

    def __init__(self, organization: Any) -> None:
        self.organization = organization
        self.list = audience.new_list(organization, "Letters", now=NOW)
        other = audience.new_list(organization, "Alerts", now=NOW)
        self.people: dict[str, Any] = {}
        for name in ("zoe", "yana", "left", "bounced", "manual", "paused", "seldom", "untold", "untagged"):
            tags = [] if name == "untagged" else ["reader"]
            self.add(name, self.list, tags=tags, values={"CITY": "Riga" if name != "yana" else "Minsk"})
        self.add("elsewhere", other)
        audience.unsubscribe(self.people["left"], self.list, way="desk", now=NOW)
        for name, reason in (("bounced", "bounce"), ("manual", "manual")):
            audience.suppress(organization, reason, address=f"{name}@post.example", now=NOW)
        self.row("paused").update(mail_verdict=PAUSED, paused=date(2026, 12, 24))
        self.row("seldom").update(frequency=MONTHLY)
        blind = bytes(self.people["untold"].email_index)  # Suppressed, and their verdict does not say so yet.
        Suppression.objects.create(organization=organization, email_index=blind, reason="manual", day=NOW.date())

    def add(self, name: str, list_: Any, **more: Any) -> None:
        self.people[name] = audience.add_subscriber(
            self.organization, f"{name}@post.example", list_, consent="Signed the paper list.", now=NOW, **more
        )

    def row(self, name: str) -> Any:
        return Subscription.objects.filter(
            list=self.list, subscriber=row_id(self.organization.id, self.people[name].number)
        )

    def letter(self, **how: Any) -> Any:
        draft = Draft(subject="News", from_name="L", from_email="letter@lantern.example", body="The water came.\n")
        return campaigns.create(self.organization, self.list, draft, by=None, now=NOW, **how)


@pytest.fixture
def town(transactional_db: Any, lantern: Any) -> Town:
    change_settings(lantern, by=None, now=NOW, postal_address="Riga")
    audience.add_field(lantern, "CITY", "City", now=NOW)
    return Town(lantern)


def _adds_up(campaign: Any, now: Any = NOW) -> dict[str, int]:
    found = whom(campaign, now)
    assert found.known - sum(found.without.values()) == found.may
    assert release(campaign, now=now).frozen == found.may
    return found.without


def test_everybody_stands_under_one_reason_and_the_rest_get_it(town: Town) -> None:
    campaign = town.letter()
    before = whom(campaign, NOW)
    assert before.known == 10 and before.may == 4  # Zoe, Yana, who has no tag, and whoever wants one letter a month.
    assert before.back == date(2026, 12, 24)
    assert _adds_up(campaign) == {
        "not_listed": 1, "unsubscribed": 1, "suppressed:bounce": 1, "suppressed:manual": 1, "paused": 1, "stopped": 1,
    }  # fmt: skip
    # That was the first of the month to the whole list; whoever wants one waits for the next month.
    again = town.letter()
    assert whom(again, NOW, NOW + timedelta(days=20)).without.get("monthly") is None
    assert _adds_up(again, NOW + timedelta(minutes=1))["monthly"] == 1


@pytest.mark.parametrize("kind", ["readable", "sealed"])
def test_a_tag_and_a_segment_take_their_own_away(town: Town, kind: str) -> None:
    tree = FieldCondition(_city(town), "is", "riga")
    readable = TagCondition(audience.tags_for(town.organization, ["reader"])["reader"])
    made = audience.add_segment(town.organization, "Some", readable if kind == "readable" else tree, now=NOW)
    tagged = {"tag": _tag(town)} if kind == "sealed" else {}
    without = _adds_up(town.letter(segment=made, **tagged))
    if kind == "readable":
        assert without["outside"] == 1 and "untagged" not in without
    else:
        assert (without["untagged"], without["outside"]) == (1, 1)  # Yana is of Minsk.
    assert without["monthly"] == without["stopped"] == without["paused"] == 1


def _city(town: Town) -> int:
    from samizdat.audience import queries

    return next(view.number for view in queries.fields(town.organization) if view.tag == "CITY")


def _tag(town: Town) -> Any:
    from samizdat.audience.queries import tag_named

    return tag_named(town.organization, "reader")


def test_an_appeal_goes_to_those_of_its_list_who_agreed_to_appeals(town: Town) -> None:
    for name in ("zoe", "seldom", "untold", "manual", "untagged"):
        assert audience.agree_to_appeals_of(town.people[name], [town.list], wording="Ask me.", now=NOW)
    town.row("untold").update(mail_verdict=YES)
    without = {"not_listed": 1, "unsubscribed": 1, "unasked": 3, "suppressed:manual": 1, "stopped": 1, "monthly": 1}
    appeal = town.letter(purpose=APPEALS)
    assert (whom(appeal, NOW).may, _adds_up(appeal)) == (2, without)
    tagged = town.letter(purpose=APPEALS, tag=_tag(town))
    assert (whom(tagged, NOW).may, _adds_up(tagged)) == (1, without | {"untagged": 1})
    tree = FieldCondition(_city(town), "is", "riga")
    riga = town.letter(purpose=APPEALS, segment=audience.add_segment(town.organization, "Riga", tree, now=NOW))
    assert (reach_of(riga, NOW).unasked, _adds_up(riga)) == (3, without)
    # It is no letter to all: in no archive, in no digest, and not the one letter of the month.
    assert not appeal.goes_to_all
    assert whom(town.letter(), NOW).without.get("monthly") is None


def test_versions_copies_and_second_letters_of_an_appeal_are_appeals(town: Town) -> None:
    appeal = town.letter(purpose=APPEALS)
    assert copy.copy(appeal, by=None, now=NOW).is_appeal
    version = translations.add(appeal, "ru", by=None, now=NOW)
    assert version.is_appeal
    campaigns.save(appeal, draft_of(appeal), version=1, by=None, now=NOW, purpose=LETTERS)
    version.refresh_from_db()
    assert not appeal.is_appeal and not version.is_appeal
    assert revisions.version_of(appeal, 1).chosen.purpose == APPEALS
