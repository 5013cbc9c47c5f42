"""What follows from an event happens once, is tried again when it failed, and keeps nothing else waiting."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import arranging, contest, languages, pictures, templating
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.core.templating import Written
from samizdat.events.actions import record
from samizdat.events.models import Event, FollowUp
from samizdat.gate.models import Form, LetterName, Page, Picture, Place
from samizdat.worker import after, publish
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_failed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after, "_failed", {})


def settle() -> None:
    while after.follow(NOW):
        pass


def test_changed_settings_reach_the_public_pages(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, name="Lantern", public_url="https://new.example/", accent="#1b6e53")
    settle()
    place = Place.objects.get()
    assert (place.name, place.host, place.accent) == ("Lantern", "new.example", "#1b6e53")
    assert not Event.objects.filter(handled=False).exists()
    # Once for the founding, once for the change.
    assert FollowUp.objects.filter(name="place").count() == 2


def test_a_form_is_published_renamed_and_withdrawn(lantern: Any) -> None:
    publish.publish_place(lantern)
    list_ = audience.new_list(lantern, "Thursday", now=NOW, details={"purpose": "One story."})
    settle()
    assert not Form.objects.exists()
    audience.give_form(list_, "thursday", now=NOW)
    settle()
    assert Form.objects.get().purpose == "One story."
    audience.rename_list(list_, "Friday", now=NOW)
    settle()
    assert Form.objects.get().name == "Friday"
    audience.give_form(list_, "", now=NOW)
    settle()
    assert not Form.objects.exists()


def test_a_follow_up_that_fails_is_tried_again_and_the_others_go_on(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    broken = [True]

    def first(event: Event, now: Any) -> None:
        done.append("first")

    def second(event: Event, now: Any) -> None:
        if broken[0]:
            raise RuntimeError("ada@example.org")
        done.append("second")

    monkeypatch.setattr(after, "FOLLOW_UPS", {"a": (first, second), "b": (first,)})
    monkeypatch.setattr(after, "WAITS", (0,))
    settle()
    record("a", lantern, now=NOW)
    record("b", lantern, now=NOW)
    assert after.follow(NOW) == 1
    assert done == ["first", "first"]
    assert [event.kind for event in Event.objects.filter(handled=False)] == ["a"]
    broken[0] = False
    assert after.follow(NOW) == 1
    assert done == ["first", "first", "second"], "what was done is not done again"


def test_the_log_tells_of_letters_and_routes_and_of_nobody(lantern: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "samizdat.worker"):
        record("campaign.waits", lantern, now=NOW, about=7)
        record("subscriber.opened", lantern, now=NOW, about=4_711)
        after.follow(NOW)
    assert caplog.messages == ["campaign.waits 7"]


def test_a_failed_one_rests_before_it_is_tried_again(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def fails(event: Event, now: Any) -> None:
        tries.append(1)
        raise RuntimeError

    settle()
    monkeypatch.setattr(after, "FOLLOW_UPS", {"a": (fails,)})
    record("a", lantern, now=NOW)
    for _ in range(5):
        after.follow(NOW)
    assert len(tries) == 1


def test_events_that_fail_for_good_hold_up_none_that_came_later(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fails(event: Event, now: Any) -> None:
        raise RuntimeError

    def works(event: Event, now: Any) -> None:
        done.append(event.kind)

    settle()
    monkeypatch.setattr(after, "FOLLOW_UPS", {"a": (fails,), "b": (works,)})
    for kind in "aaaaab":
        record(kind, lantern, now=NOW)
    for _ in range(3):
        after.follow(NOW, 2)
    assert done == ["b"]


@pytest.fixture
def campaign(lantern: Any) -> Any:
    publish.publish_place(lantern)
    audience.fields_for(lantern, {"FNAME": "First name"})
    list_ = audience.new_list(lantern, "Thursday", now=NOW)
    words = Draft(
        subject="What the river took, {{ FNAME | default: 'friend' }}",
        from_name="Lantern",
        from_email="letter@lantern.example",
        body="# River\n\nThe water came at *four*.\n\n![A table](https://lantern.example/m/abcdef012345.png)",
    )
    return campaigns.create(lantern, list_, words, by=None, now=NOW)


def test_a_letter_is_named_at_release_and_shown_only_once_it_is_on_its_way(campaign: Any) -> None:
    edition = campaigns.freeze(campaign, NOW)
    campaign.state = "held"
    campaign.save(update_fields=["state"])
    record("campaign.released", campaign.organisation, now=NOW, about=campaign.id)
    settle()
    assert LetterName.objects.get(edition=edition.id).list_name == "Thursday"
    campaign.state = "paused"
    campaign.save(update_fields=["state"])
    publish.missing_letters(NOW)
    assert not Page.objects.exists(), "a letter that waits is nobody's business yet, nor one that was paused meanwhile"
    for state in ("sending", "waiting"):
        campaign.state, campaign.frozen, campaign.pending = state, 2, 2
        campaign.save(update_fields=["state", "frozen", "pending"])
        assert publish.missing_letters(NOW) == 0, "nor one that no route takes yet"
    campaign.pending, campaign.deferred = 1, 1
    campaign.save(update_fields=["pending", "deferred"])
    record("campaign.began", campaign.organisation, now=NOW, about=campaign.id)
    settle()
    page = Page.objects.get()
    assert page.slug == edition.archive_slug
    assert "The water came at <em>four</em>." in page.html
    assert "{{" not in page.title and page.title.startswith("What the river took")
    assert publish.missing_letters(NOW) == 0
    record("campaign.taken_back", campaign.organisation, now=NOW, about=campaign.id, detail={"edition": edition.id})
    settle()
    assert not Page.objects.exists(), "its release is undone"
    publish.missing_letters(NOW)
    campaign.state, campaign.cancelled, campaign.pending, campaign.deferred = "cancelled", 2, 0, 0
    campaign.save(update_fields=["state", "cancelled", "pending", "deferred"])
    record("campaign.cancelled", campaign.organisation, now=NOW, about=campaign.id)
    settle()
    assert not Page.objects.exists(), "nobody has got it"


def _picture(organisation: Any) -> Any:
    import io

    from PIL import Image

    from samizdat.campaigns import pictures

    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    return pictures.take_in(organisation, data.getvalue(), NOW)


def _showing(campaign: Any) -> tuple[Draft, Any]:
    """A text like that of the letter with a picture of its own, and the picture."""
    picture = _picture(campaign.organisation)
    body = f"# Bridge\n\nIt stood at *five*.\n\n![A bridge](https://lantern.example/m/{picture.slug}.png)"
    return draft_of(campaign).with_(body=body), picture


def test_the_pictures_of_every_version_leave_the_seal_with_the_letter(campaign: Any) -> None:
    """Of another draft whose text a version has, also when that draft is changed or thrown away afterwards."""
    text, picture = _showing(campaign)
    other = campaigns.create(campaign.organisation, campaign.list, text, by=None, now=NOW)
    at = NOW + timedelta(hours=2)
    contest.plan(campaign, [contest.Change(letter=other)], share=20, way="hand", at=at, by=None, now=NOW)
    publish.campaign_pictures(campaign, NOW)
    assert [row.slug for row in Picture.objects.all()] == [picture.slug], "a test letter of it shows the picture"
    Picture.objects.all().delete()
    edition = campaigns.freeze(campaign, NOW)
    contest.freeze(campaign, edition, NOW)
    campaign.state = "finished"
    campaign.save(update_fields=["state"])
    assert pictures.uses(campaign.organisation, [picture.slug])[picture.slug][0].sent, "it lies in mailboxes"
    campaigns.throw_away(other, by=None, now=NOW)
    record("campaign.released", campaign.organisation, now=NOW, about=campaign.pk)
    settle()
    assert [row.slug for row in Picture.objects.all()] == [picture.slug]


def test_the_pictures_of_every_language_leave_the_seal_with_the_letter(campaign: Any) -> None:
    text, picture = _showing(campaign)
    russian = languages.add(campaign, "ru", by=None, now=NOW)
    campaigns.save(russian, text, version=russian.version, by=None, now=NOW)
    record("campaign.released", campaign.organisation, now=NOW, about=campaign.pk)
    settle()
    assert [row.slug for row in Picture.objects.all()] == [picture.slug]


def test_a_version_with_another_text_keeps_what_that_draft_wrote_into_its_template(campaign: Any) -> None:
    page = b"<table><tr><td mc:edit='head'>Head</td></tr><tr><td mc:edit='body'>Body *|FNAME|*</td></tr></table>"
    template = templating.take_in(campaign.organisation, "Old one", page, by=None, now=NOW).template
    other = campaigns.create(
        campaign.organisation, campaign.list, draft_of(campaign), by=None, now=NOW, template=template
    )
    key = next(part.key for part in arranging.parts(other) if part.key)
    arranging.write(other, key, Written("<p>Only in this draft</p>"), now=NOW)
    other.refresh_from_db()
    at, before = NOW + timedelta(hours=2), contest.bound(campaign)
    contest.plan(campaign, [contest.Change(letter=other)], share=20, way="hand", at=at, by=None, now=NOW)
    planned = contest.bound(campaign)
    proof = contest.proof_of_version(campaign, contest.versions(campaign)[1].change, NOW)
    assert proof.compiled and b"Only in this draft" in b"".join(proof.compiled.parts)
    arranging.write(other, key, Written("<p>Something else</p>"), now=NOW)
    assert contest.bound(campaign) not in (before, planned), "a second person's yes is to these words too"


def test_a_picture_leaves_the_seal_when_its_letter_is_released(campaign: Any) -> None:
    shown, hidden = _picture(campaign.organisation), _picture(campaign.organisation)
    body = f"![A table](https://lantern.example/m/{shown.slug}.png)"
    campaigns.save(campaign, draft_of(campaign).with_(body=body), version=campaign.version, by=None, now=NOW)
    campaign.refresh_from_db()
    publish.campaign_pictures(campaign, NOW)
    assert [picture.slug for picture in Picture.objects.all()] == [shown.slug]
    assert hidden.slug != shown.slug
    pictures.remove(shown, also_sent=True, now=NOW)
    after.follow(NOW)
    assert not Picture.objects.exists(), "what was removed is not shown any longer"


@pytest.mark.parametrize("newest", [0, 50])
def test_a_lost_gate_is_filled_again(campaign: Any, newest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """newest: of how many letters the look of every ten seconds finds missing pages, before the rest follows."""
    text, _picture = _showing(campaign)
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    campaigns.freeze(campaign, NOW)
    audience.give_form(campaign.list, "thursday", now=NOW)
    campaign.state = "finished"
    campaign.save(update_fields=["state"])
    settle()
    Place.objects.all().delete()
    Page.objects.all().delete()
    monkeypatch.setattr(publish, "NEWEST_EDITIONS", newest)
    publish.missing_places(NOW)
    publish.missing_letters(NOW)
    settle()
    there = (Place, Form, Page, Picture, LetterName)
    assert [model.objects.count() for model in there] == [1, 1, 1, 1, 1]


def test_an_organisation_that_the_gate_does_not_know_is_published(campaign: Any) -> None:
    Place.objects.all().delete()
    audience.give_form(campaign.list, "thursday", now=NOW)
    assert publish.missing_places(NOW) == 1
    assert publish.missing_places(NOW) == 0
    assert (Place.objects.count(), Form.objects.count()) == (1, 1)


def test_an_erasure_is_swept_from_the_disk_until_it_went_through(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat import dialect
    from samizdat.worker import sweeping

    answers = [False, True]
    monkeypatch.setattr(dialect, "sweep_after_erasing", lambda: answers.pop(0))
    monkeypatch.setattr(after, "WAITS", (0,))
    settle()
    assert NOW.hour, "so that the readable day of the event lies before the sweep and its moment after"
    first = record("subscriber.erased", lantern, now=NOW)
    second = record("subscriber.erased", lantern, now=NOW)
    monkeypatch.setattr(sweeping, "_swept", NOW - timedelta(seconds=1))
    with pytest.raises(sweeping.NotSwept):
        sweeping.sweep(first, NOW + timedelta(seconds=1))
    sweeping.sweep(first, NOW + timedelta(seconds=2))
    sweeping.sweep(second, NOW + timedelta(seconds=3))
    assert answers == [], "one sweep does for both"
