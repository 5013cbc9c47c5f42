"""A letter to a segment: who gets it is counted, frozen exactly, and nobody else is written to."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience.actions import FieldShape, add_field, add_segment, add_subscriber, change_segment, tags
from samizdat.audience.models import MONTHLY, Subscription, row_id
from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.provider import ProviderCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core import segment
from samizdat.core.consent import PAUSED
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.actions import release
from samizdat.delivery.audience_size import AudienceSize, quick_count, reach_of
from samizdat.delivery.errors import NobodyToWrite, NotReleasable
from samizdat.delivery.models import Chunk
from samizdat.delivery.recipients_breakdown import whom
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)  # a release holds a lock of its own


class Letter:
    """The Thursday Letter with six readers: half of them of Riga by tag, the others by their sealed city."""

    def __init__(self, organization: Any) -> None:
        self.organization = organization
        self.list = audience.new_list(organization, "The Thursday Letter", now=NOW)
        self.city = add_field(organization, "CITY", "City", now=NOW)
        add_field(organization, "AGE", "Age", now=NOW, shape=FieldShape("number"))
        self.people = {
            name: add_subscriber(
                organization,
                f"{name}@post.example",
                self.list,
                consent="Signed the paper list.",
                values={"CITY": city, "AGE": age},
                tags=tags,
                now=NOW + timedelta(days=day),
            )
            for day, (name, city, age, tags) in enumerate(
                [
                    ("ada", "Riga", "40", ["Riga"]),
                    ("boris", "Riga", "", ["Riga"]),
                    ("clara", "Minsk", "30", ["Riga"]),
                    ("dmitri", "Minsk", "", []),
                    ("eva", "Riga", "17", []),
                    ("fedor", "Riga", "66", []),
                ]
            )
        }
        audience.unsubscribe(self.people["boris"], self.list, way="desk", now=NOW + timedelta(days=9))
        audience.suppress(organization, "manual", address="fedor@post.example", now=NOW + timedelta(days=9))
        self.tag = TagCondition(audience.tags_for(organization, ["Riga"])["Riga"])
        self.of_riga = FieldCondition(self.city, "is", "riga")

    def to(self, tree: segment.Tree, name: str = "Some") -> Campaign:
        made = add_segment(self.organization, name, tree, now=NOW)
        draft = Draft(subject="News", from_name="L", from_email="letter@lantern.example", body="The water came.\n")
        return campaigns.create(self.organization, self.list, draft, by=None, now=NOW, segment=made)

    def frozen(self) -> list[str]:
        numbers = [
            number for one in Chunk.objects.order_by("position") for number in unpack_numbers(bytes(one.numbers))
        ]
        names = {one.number: name for name, one in self.people.items()}
        return [names[number] for number in numbers]


@pytest.fixture
def letter(transactional_db: Any, lantern: Any) -> Letter:
    change_settings(lantern, by=None, now=NOW, postal_address="Riga")
    return Letter(lantern)


def test_a_letter_goes_to_those_of_its_list_who_are_in_the_segment(letter: Letter) -> None:
    campaign = letter.to(letter.tag)
    assert reach_of(campaign, NOW) == AudienceSize(subscribed=5, outside=3, suppressed=0, may=2)
    assert release(campaign, now=NOW).frozen == 2
    assert sorted(letter.frozen()) == ["ada", "clara"]


def test_a_sealed_segment_is_opened_to_count_and_to_freeze(letter: Letter) -> None:
    campaign = letter.to(letter.of_riga)
    assert reach_of(campaign, NOW) == AudienceSize(subscribed=5, outside=2, suppressed=1, may=2)
    assert release(campaign, now=NOW).frozen == 2
    assert sorted(letter.frozen()) == ["ada", "eva"]


def test_readable_and_sealed_conditions_go_together_with_a_tag_of_the_campaign(letter: Letter) -> None:
    either = segment.Any((letter.of_riga, segment.Not(ProviderCondition("other"))))
    campaign = letter.to(segment.All((either, ConsentCondition(letter.list.id))))
    campaigns.save(campaign, draft_of(campaign), version=1, by=None, now=NOW, tag=riga_tag(letter))
    assert reach_of(campaign, NOW).may == 1
    release(campaign, now=NOW)
    assert letter.frozen() == ["ada"]


@pytest.mark.parametrize("kind", ["readable", "sealed"])
def test_a_condition_on_another_list_asks_about_each_reader_of_this_one(letter: Letter, kind: str) -> None:
    other = audience.new_list(letter.organization, "Appeals", now=NOW)
    for name in ("ada", "boris"):
        audience.add_subscriber(letter.organization, f"{name}@post.example", other, consent="Signed another.", now=NOW)
    also = {"readable": segment.Not(letter.tag), "sealed": FieldCondition(letter.city, "is", "Minsk")}[kind]
    campaign = letter.to(segment.Any((ListCondition(other.id, "subscribed"), also)))
    expected = {"readable": ["ada", "dmitri", "eva"], "sealed": ["ada", "clara", "dmitri"]}[kind]
    assert reach_of(campaign, NOW).may == len(expected)
    release(campaign, now=NOW)
    assert sorted(letter.frozen()) == expected


@pytest.mark.parametrize("kind", ["readable", "sealed"])
def test_whoever_pauses_or_reads_little_is_counted_by_their_reason(letter: Letter, kind: str) -> None:
    rows = Subscription.objects.filter(list=letter.list)
    rows.filter(subscriber=row_id(letter.organization.id, letter.people["ada"].number)).update(frequency=MONTHLY)
    rows.filter(subscriber=row_id(letter.organization.id, letter.people["eva"].number)).update(mail_verdict=PAUSED)
    tree = {"readable": segment.EVERYBODY, "sealed": FieldCondition(letter.city, "filled")}[kind]
    campaign = letter.to(tree)
    assert reach_of(campaign, NOW) == AudienceSize(subscribed=5, outside=0, suppressed=2, may=3, paused=1, monthly=1)
    assert release(campaign, now=NOW).frozen == 2
    assert sorted(letter.frozen()) == ["clara", "dmitri"]


def riga_tag(letter: Letter) -> Any:
    return letter.organization.tags.get(id=letter.tag.id)


@pytest.mark.parametrize("kind", ["readable", "sealed"])
def test_who_agreed_last_still_comes_first_for_a_warm_up(letter: Letter, kind: str, monkeypatch: Any) -> None:
    for days, name in enumerate(["ada", "eva", "clara"]):
        row = row_id(letter.organization.id, letter.people[name].number)
        Subscription.objects.filter(subscriber=row).update(since=(NOW + timedelta(days=days)).date())
    monkeypatch.setattr("samizdat.delivery.actions.releasing.warming", lambda *_: 2)
    tree = {"readable": segment.Not(letter.tag), "sealed": letter.of_riga}[kind]
    release(letter.to(tree), now=NOW)
    assert letter.frozen() == {"readable": ["dmitri", "eva"], "sealed": ["eva", "ada"]}[kind]


def test_a_letter_to_a_tag_that_was_removed_goes_to_nobody_and_not_to_the_whole_list(letter: Letter) -> None:
    campaign, tag = letter.to(segment.EVERYBODY), riga_tag(letter)
    campaigns.save(campaign, draft_of(campaign), version=1, by=None, now=NOW, tag=tag, segment=None)
    assert tags.carriers(tag) == 3
    tags.remove_tag(tag, now=NOW)
    assert tags.clear_removed_tags(5) and tags.carriers(tag) == 0
    campaign = Campaign.objects.get()
    with pytest.raises(NotReleasable, match="The tag of the audience was deleted"):
        release(campaign, now=NOW)
    assert whom(campaign, NOW).may == 0 and quick_count(campaign, NOW) == 0
    again = audience.tags_for(letter.organization, ["Riga"])["Riga"]
    assert again != tag.pk  # The name is free again, and is another tag.


def test_a_letter_to_a_segment_that_was_removed_goes_to_nobody_and_says_why(letter: Letter) -> None:
    campaign = letter.to(letter.tag)
    audience.remove_segment(campaign.segment, now=NOW)
    campaign = Campaign.objects.get()
    assert reach_of(campaign, NOW).may == 0 and "was deleted" in reach_of(campaign, NOW).broken
    with pytest.raises(NotReleasable, match="was deleted"):
        release(campaign, now=NOW)
    copied = copy(campaign, by=None, now=NOW)
    with pytest.raises(NotReleasable, match="was deleted"):
        release(copied, now=NOW)
    assert not Chunk.objects.exists()


def test_a_letter_to_a_segment_whose_tag_is_gone_goes_to_nobody(letter: Letter) -> None:
    campaign = letter.to(segment.Not(letter.tag))
    riga_tag(letter).delete()
    with pytest.raises(NotReleasable, match="uses a tag that no longer exists"):
        release(campaign, now=NOW)
    assert quick_count(campaign, NOW) == 0


def test_a_segment_of_nobody_is_refused(letter: Letter) -> None:
    with pytest.raises(NobodyToWrite, match="Nobody in this segment can be emailed on this list"):
        release(letter.to(FieldCondition(letter.city, "is", "Oslo")), now=NOW)


def test_a_segment_that_is_changed_after_the_release_changes_nothing_of_it(letter: Letter) -> None:
    campaign = letter.to(letter.tag)
    release(campaign, now=NOW)
    change_segment(campaign.segment, "Some", segment.EVERYBODY, version=1, now=NOW)
    assert sorted(letter.frozen()) == ["ada", "clara"]


def test_of_a_long_list_a_sealed_segment_is_not_counted_while_somebody_writes(letter: Letter, monkeypatch: Any) -> None:
    campaign = letter.to(letter.of_riga)
    assert quick_count(campaign, NOW) == 2
    monkeypatch.setattr("samizdat.delivery.audience_size.OPENED_AT_ONCE", 3)
    assert quick_count(campaign, NOW) is None


def test_a_segment_goes_along_when_a_campaign_is_copied(letter: Letter) -> None:
    campaign = letter.to(letter.tag)
    assert copy(campaign, by=None, now=NOW).segment == campaign.segment
