"""What follows from an event happens once, is tried again when it failed, and keeps nothing else waiting."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat import limited_process
from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience.list_details import ListDetails
from samizdat.campaigns import ab_test, brand, translations
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.approval import bond_of
from samizdat.campaigns.content import compile_version
from samizdat.campaigns.digest import digest_draft
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign, Edition, Picture
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.released import released, web_versions
from samizdat.campaigns.templates import import_template, layout
from samizdat.core.content.templates.layout import WrittenRegion
from samizdat.core.crypto import tokens
from samizdat.delivery.actions import due
from samizdat.events.actions import record
from samizdat.events.models import Event, FollowUp
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import EditionName, Form, Page, PublicPicture, Site, TokenState
from samizdat.vault import keyring
from samizdat.worker.publishing import publish, unsigned
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW
from tests.web.conftest import png

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_failed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_handlers, "_failed", {})


def settle() -> None:
    while event_handlers.follow(NOW):
        pass


def test_changed_settings_reach_the_public_pages(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, name="Lantern", public_url="https://new.example/", accent="#1b6e53")
    settle()
    place = Site.objects.get()
    assert (place.name, place.host, place.accent) == ("Lantern", "new.example", "#1b6e53")
    assert not Event.objects.filter(handled=False).exists()
    # Once for the founding, once for the change.
    assert FollowUp.objects.filter(name="place").count() == 2


def test_logo_and_colors_reach_the_public_pages_and_go_with_the_picture(lantern: Any) -> None:
    change_settings(lantern, by=None, now=NOW, public_url="https://lantern.example")
    picture = library.take_in(lantern, png(), NOW, name="Logo")
    brand.keep(lantern, brand.BrandSettings(logo=picture.slug, button="#0b5cad"), by=None, now=NOW)
    settle()
    place, shown = Site.objects.get(), PublicPicture.objects.get()
    assert (place.logo, place.logo_width, place.logo_height) == (f"{shown.slug}.{shown.kind}", 8, 6)
    assert shown.slug != picture.slug, "the picture itself is public only where an email shows it"
    assert place.colors.endswith("-0b5cad")
    library.remove(picture, also_sent=True, now=NOW)
    settle()
    assert Site.objects.get().logo == "" and not PublicPicture.objects.exists()


def test_a_form_is_published_renamed_and_withdrawn(lantern: Any) -> None:
    publish.publish_place(lantern)
    list_ = audience.new_list(lantern, "Thursday", now=NOW, details=ListDetails(purpose="One story."))
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

    monkeypatch.setattr(event_handlers, "FOLLOW_UPS", {"list.created": (first, second), "list.changed": (first,)})
    monkeypatch.setattr(event_handlers, "WAITS", (0,))
    settle()
    record("list.created", lantern, now=NOW)
    record("list.changed", lantern, now=NOW)
    assert event_handlers.follow(NOW) == 1
    assert done == ["first", "first"]
    assert [event.kind for event in Event.objects.filter(handled=False)] == ["list.created"]
    broken[0] = False
    assert event_handlers.follow(NOW) == 1
    assert done == ["first", "first", "second"], "what was done is not done again"


def test_the_log_tells_of_letters_and_routes_and_of_nobody(lantern: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "samizdat.worker"):
        record("campaign.waits", lantern, now=NOW, about=7)
        record("subscriber.opened", lantern, now=NOW, about=4_711)
        event_handlers.follow(NOW)
    assert caplog.messages == ["campaign.waits 7"]


def test_nothing_follows_from_an_event_that_somebody_wrote_and_it_is_told_once_an_hour(
    lantern: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settle()
    done: list[int] = []
    monkeypatch.setattr(event_handlers, "FOLLOW_UPS", {"list.changed": (lambda event, now: done.append(event.about),)})
    record("list.changed", lantern, now=NOW, about=1)
    changed = record("list.changed", lantern, now=NOW, about=2)
    Event.objects.filter(id=changed.id).update(about=3)
    Event.objects.create(organization=lantern, kind="list.changed", about=4, at=NOW, digest=bytes(32))
    settle()
    assert done == [1]
    assert Event.objects.get(kind="event.forged").about == changed.id
    assert "samizdat doctor" in caplog.text
    assert not Event.objects.filter(handled=False).exists(), "it is looked at once"


def test_a_failed_one_rests_before_it_is_tried_again(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def fails(event: Event, now: Any) -> None:
        tries.append(1)
        raise RuntimeError

    settle()
    monkeypatch.setattr(event_handlers, "FOLLOW_UPS", {"list.created": (fails,)})
    record("list.created", lantern, now=NOW)
    for _ in range(5):
        event_handlers.follow(NOW)
    assert len(tries) == 1


def test_events_that_fail_for_good_hold_up_none_that_came_later(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fails(event: Event, now: Any) -> None:
        raise RuntimeError

    def works(event: Event, now: Any) -> None:
        done.append(event.kind)

    settle()
    monkeypatch.setattr(event_handlers, "FOLLOW_UPS", {"list.created": (fails,), "list.changed": (works,)})
    for kind in [*["list.created"] * 5, "list.changed"]:
        record(kind, lantern, now=NOW)
    for _ in range(3):
        event_handlers.follow(NOW, 2)
    assert done == ["list.changed"]


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


def let_go(campaign: Any, state: str = "finished") -> Edition:
    """Its edition, as a release leaves it, and what follows from it."""
    edition, _asked = freeze(open_campaign(campaign), NOW)
    Campaign.objects.filter(version_of=campaign).update(state="finished")
    campaign.state = state
    campaign.save(update_fields=["state"])
    detail = {"edition": edition.pk}
    record("campaign.released", campaign.organization, now=NOW, about=campaign.pk, detail=detail)
    settle()
    return edition


def test_a_letter_is_named_at_release_and_shown_only_once_it_is_on_its_way(campaign: Any) -> None:
    edition = let_go(campaign, "held")
    assert EditionName.objects.get(edition=edition.id).list_name == "Thursday"
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
    record("campaign.first_sent", campaign.organization, now=NOW, about=campaign.id)
    settle()
    page = Page.objects.get()
    assert page.slug == edition.archive_slug
    assert "The water came at <em>four</em>." in page.html
    assert "{{" not in page.title and page.title.startswith("What the river took")
    assert publish.missing_letters(NOW) == 0
    record("campaign.unreleased", campaign.organization, now=NOW, about=campaign.id, detail={"edition": edition.id})
    settle()
    assert not Page.objects.exists(), "its release is undone"
    publish.missing_letters(NOW)
    campaign.state, campaign.cancelled, campaign.pending, campaign.deferred = "cancelled", 2, 0, 0
    campaign.save(update_fields=["state", "cancelled", "pending", "deferred"])
    record("campaign.cancelled", campaign.organization, now=NOW, about=campaign.id)
    settle()
    assert not Page.objects.exists(), "nobody has got it"


def _picture(organization: Any, color: str = "black") -> Any:
    import io

    from PIL import Image

    from samizdat.campaigns.media import library

    data = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(data, "PNG")
    return library.take_in(organization, data.getvalue(), NOW)


def _showing(campaign: Any) -> tuple[Draft, Any]:
    """A text like that of the letter with a picture of its own, and the picture."""
    picture = _picture(campaign.organization)
    body = f"# Bridge\n\nIt stood at *five*.\n\n![A bridge](https://lantern.example/m/{picture.slug}.png)"
    return draft_of(campaign).with_(body=body), picture


def _tested(campaign: Any, *shown: str) -> None:
    """A test email left that shows these pictures."""
    record("campaign.tested", campaign.organization, now=NOW, about=campaign.id, detail={"pictures": shown})
    settle()


def test_a_test_that_is_followed_again_publishes_no_picture_that_came_since(campaign: Any) -> None:
    """A draft's pictures lie in the open by their addresses from then on, which stand in the database."""
    _tested(campaign)
    text, _secret = _showing(campaign)
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    FollowUp.objects.all().delete()
    Event.objects.filter(kind="campaign.tested").update(handled=False)
    settle()
    assert Event.objects.get(kind="campaign.tested").handled and not PublicPicture.objects.exists()


def test_the_pictures_of_every_version_leave_the_seal_with_the_letter(campaign: Any) -> None:
    """Of another draft whose text a version has, also when that draft is changed or thrown away afterwards."""
    text, picture = _showing(campaign)
    other = campaigns.create(campaign.organization, campaign.list, text, by=None, now=NOW)
    at = NOW + timedelta(hours=2)
    ab_test.plan(campaign, [ab_test.VersionChange(letter=other)], share=20, way="hand", at=at, by=None, now=NOW)
    edition = let_go(campaign)
    PublicPicture.objects.all().delete()
    assert library.uses(campaign.organization, [picture.slug])[picture.slug][0].sent, "it lies in mailboxes"
    campaigns.delete_draft(other, by=None, now=NOW)
    publish.edition_pictures(edition, NOW)
    assert [row.slug for row in PublicPicture.objects.all()] == [picture.slug]


@pytest.mark.parametrize("worker_was_off", [False, True])
def test_pictures_of_a_scheduled_campaign_stay_sealed_until_it_is_about_to_begin(
    campaign: Any, worker_was_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the disk tells nothing of what is going to be sent."""
    monkeypatch.setattr(publish, "_put_out", set())
    text, picture = _showing(campaign)
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    at = NOW + timedelta(days=1)
    Campaign.objects.update(not_before=at)
    let_go(campaign, "scheduled")
    publish.due_pictures(at - publish.AHEAD - timedelta(minutes=1))
    assert not PublicPicture.objects.exists()
    if worker_was_off:
        assert due.start_due(at) == 1
        event_handlers.follow(at)
    else:
        publish.due_pictures(at - timedelta(minutes=9))
    assert [row.slug for row in PublicPicture.objects.all()] == [picture.slug]


def test_a_letter_that_takes_too_long_keeps_no_other_from_the_web_and_rests(
    campaign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have come with an export that was made up: all of it is rendered by a helper with limits."""
    endless = campaigns.create(
        campaign.organization, campaign.list, draft_of(campaign).with_(subject="Endless"), by=None, now=NOW
    )
    looked_at: list[str] = []

    def limited(_whose: int, function: Any, content: Any, *rest: Any, **how: Any) -> Any:
        looked_at.append(content.subject)
        if content.subject == "Endless":
            raise limited_process.TooMuch
        return function(content, *rest, **how)

    slow, fine = let_go(endless), let_go(campaign)
    Edition.objects.filter(pk=slow.pk).update(created=NOW + timedelta(days=1))
    for kind in "publicdb.lost", "":
        Page.objects.all().delete()
        with monkeypatch.context() as here:
            here.setattr(limited_process, "work", limited)
            here.setattr(publish, "_rests", {})
            if kind:
                event = record(kind, campaign.organization, now=NOW)
                settle()
                assert Event.objects.get(pk=event.pk).handled, "and no worker begins it again and again"
                assert looked_at.count("Endless") == publish.TRIES
            else:
                publish.missing_letters(NOW)
            assert {page.slug for page in Page.objects.all()} == {fine.archive_slug}, "though the other one is newer"
            looked_at.clear()
            assert publish.missing_letters(NOW) == 0 and not looked_at, "it is not tried every ten seconds"


def test_digests_and_pictures_are_made_of_letters_within_limits(campaign: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    edition = let_go(campaign)
    details = released(edition)
    assert details is not None and digest_draft(campaign.list, (edition, details), (), NOW).body

    def busy(*_args: Any, **_how: Any) -> Any:
        raise limited_process.TooMuch

    monkeypatch.setattr(limited_process, "work", busy)
    with pytest.raises(limited_process.TooMuch):
        digest_draft(campaign.list, (edition, details), (), NOW)
    with pytest.raises(limited_process.TooMuch):
        publish.edition_pictures(edition, NOW)


def test_many_letters_of_an_export_keep_the_clock_for_seconds_alone(
    campaign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = campaigns.create(campaign.organization, campaign.list, draft_of(campaign), by=None, now=NOW)
    let_go(campaign)
    let_go(other)
    Page.objects.all().delete()
    monkeypatch.setattr(publish, "SLICE", 0.0)
    event = record("campaigns.restored", campaign.organization, now=NOW)
    event_handlers.follow(NOW)
    assert Page.objects.count() == 1 and not Event.objects.get(pk=event.pk).handled
    monkeypatch.setattr(event_handlers, "_failed", {})
    event_handlers.follow(NOW)
    assert Page.objects.count() == 2 and Event.objects.get(pk=event.pk).handled


def test_the_pictures_of_every_language_leave_the_seal_with_the_letter(campaign: Any) -> None:
    text, picture = _showing(campaign)
    russian = translations.add(campaign, "ru", by=None, now=NOW)
    campaigns.save(russian, text, version=russian.version, by=None, now=NOW)
    let_go(campaign)
    assert [row.slug for row in PublicPicture.objects.all()] == [picture.slug]


def test_a_version_with_another_text_keeps_what_that_draft_wrote_into_its_template(campaign: Any) -> None:
    page = b"<table><tr><td mc:edit='head'>Head</td></tr><tr><td mc:edit='body'>Body *|FNAME|*</td></tr></table>"
    template = import_template.take_in(campaign.organization, "Old one", page, by=None, now=NOW).template
    other = campaigns.create(
        campaign.organization, campaign.list, draft_of(campaign), by=None, now=NOW, template=template
    )
    key = next(part.key for part in layout.parts(other) if part.key)
    layout.write(other, key, WrittenRegion("<p>Only in this draft</p>"), now=NOW)
    other.refresh_from_db()
    at, before = NOW + timedelta(hours=2), bond_of(open_campaign(campaign))
    ab_test.plan(campaign, [ab_test.VersionChange(letter=other)], share=20, way="hand", at=at, by=None, now=NOW)
    planned = bond_of(open_campaign(campaign))
    proof = compile_version(open_campaign(campaign).versions[1], NOW)
    assert proof.compiled and b"Only in this draft" in b"".join(proof.compiled.parts)
    layout.write(other, key, WrittenRegion("<p>Something else</p>"), now=NOW)
    assert bond_of(open_campaign(campaign)) not in (before, planned), "a second person's yes is to these words too"


def test_a_picture_leaves_the_seal_when_its_letter_is_released(campaign: Any) -> None:
    shown, hidden = _picture(campaign.organization), _picture(campaign.organization)
    body = f"![A table](https://lantern.example/m/{shown.slug}.png)"
    campaigns.save(campaign, draft_of(campaign).with_(body=body), version=campaign.version, by=None, now=NOW)
    campaign.refresh_from_db()
    _tested(campaign, shown.slug)
    assert [picture.slug for picture in PublicPicture.objects.all()] == [shown.slug]
    assert hidden.slug != shown.slug
    library.remove(shown, also_sent=True, now=NOW)
    event_handlers.follow(NOW)
    assert not PublicPicture.objects.exists(), "what was removed is not shown any longer"


def _again(edition: Edition) -> None:
    """The public database lost a letter, and an old event of it is followed once more."""
    Page.objects.filter(edition=edition.pk).delete()
    publish.missing_letters(NOW)
    FollowUp.objects.all().delete()
    Event.objects.filter(about=edition.campaign_id, kind="campaign.released").update(handled=False)
    settle()


@pytest.mark.parametrize("again", [False, True], ids=["at release", "once more"])
def test_whoever_exchanges_the_addresses_of_two_pictures_publishes_neither(campaign: Any, again: bool) -> None:
    text, shown = _showing(campaign)
    secret = _picture(campaign.organization, "red")
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    campaign.refresh_from_db()
    edition = let_go(campaign) if again else None
    Picture.objects.filter(pk=shown.pk).update(slug="00000000")
    Picture.objects.filter(pk=secret.pk).update(slug=shown.slug)
    if edition is not None:
        _again(edition)
        published = PublicPicture.objects.get()
        assert (published.slug, bytes(published.data)) == (shown.slug, library.open_picture(shown))
    else:
        let_go(campaign)
        assert not PublicPicture.objects.exists()


def test_whoever_writes_the_database_publishes_no_draft_as_another_language_of_a_letter(campaign: Any) -> None:
    translations.add(campaign, "de", by=None, now=NOW)
    text, picture = _showing(campaign)
    secret = text.with_(body=f"Our source is called Pavel. ![x](https://lantern.example/m/{picture.slug}.png)")
    draft = campaigns.create(campaign.organization, campaign.list, secret, by=None, now=NOW)
    edition = let_go(campaign)
    publish.missing_letters(NOW)
    before = sorted(Page.objects.values_list("slug", "html"))
    assert len(before) == 2
    Campaign.objects.filter(pk=draft.pk).update(version_of=campaign, language="ru")
    _again(edition)
    assert sorted(Page.objects.values_list("slug", "html")) == before
    assert not PublicPicture.objects.exists()


def test_whoever_writes_the_database_publishes_no_draft_in_place_of_a_letter(campaign: Any) -> None:
    secret = draft_of(campaign).with_(body="Our source is called Pavel.")
    draft = campaigns.create(campaign.organization, campaign.list, secret, by=None, now=NOW)
    edition = let_go(campaign)
    Campaign.objects.filter(pk=draft.pk).update(state="finished")
    Edition.objects.filter(pk=edition.pk).update(campaign=draft)
    record("campaign.released", campaign.organization, now=NOW, about=draft.pk, detail={"edition": edition.pk})
    _again(Edition.objects.get(pk=edition.pk))
    assert not Page.objects.exists()


def test_a_letter_to_few_gets_into_no_archive_because_the_database_says_that_it_went_to_all(campaign: Any) -> None:
    tag = audience.tags_for(campaign.organization, ["The board"])["The board"]
    Campaign.objects.filter(pk=campaign.pk).update(tag=tag)
    campaign.refresh_from_db()
    edition = let_go(campaign)
    publish.missing_letters(NOW)
    assert not Page.objects.get().listed
    other = audience.new_list(campaign.organization, "Everybody", now=NOW)
    Campaign.objects.filter(pk=campaign.pk).update(tag=None, archive_hidden=False, purpose=0, list=other)
    _again(edition)
    record("campaign.archive_listed", campaign.organization, now=NOW, about=campaign.pk)
    settle()
    assert not Page.objects.get().listed
    assert EditionName.objects.get(edition=edition.pk).list_name == "Thursday"


def test_a_web_copy_says_what_was_released_whatever_its_frame_says_today(campaign: Any) -> None:
    agreed, other = (
        import_template.take_in(campaign.organization, name, page, by=None, now=NOW).template
        for name, page in (("Agreed", b"<p>As agreed</p> {{ content }}"), ("Other", b"<p>Changed</p> {{ content }}"))
    )
    campaign.template = agreed
    campaign.save(update_fields=["template"])
    edition = let_go(campaign)
    publish.missing_letters(NOW)
    before = Page.objects.get().html
    assert "As agreed" in before
    Campaign.objects.filter(pk=campaign.pk).update(template=other, language="ru")
    audience.rename_list(campaign.list, "Confirm by tonight", by=None, now=NOW)
    _again(edition)
    assert Page.objects.get().html == before


def test_web_copies_lead_to_the_public_pages_of_today(campaign: Any) -> None:
    edition = let_go(campaign)
    change_settings(campaign.organization, by=None, now=NOW, public_url="https://new.example")
    edition = Edition.objects.get(pk=edition.pk)
    details = released(edition)
    assert details is not None
    content = web_versions(edition, details)[0].content
    assert content.archive_url == f"https://new.example/a/{edition.archive_slug}"
    assert (content.website, content.neutral_url) == ("https://new.example", "https://new.example/a/")


def test_a_letter_that_was_taken_back_is_not_shown_because_its_rows_were_put_back(campaign: Any) -> None:
    edition = let_go(campaign)
    record("campaign.unreleased", campaign.organization, now=NOW, about=campaign.pk, detail={"edition": edition.pk})
    settle()
    publish.missing_letters(NOW)
    assert not Page.objects.exists()
    record("campaign.released", campaign.organization, now=NOW, about=campaign.pk, detail={"edition": edition.pk + 1})
    settle()
    publish.missing_letters(NOW)
    assert not Page.objects.exists(), "it was released again, with another text"


@pytest.mark.parametrize("newest", [0, 50])
def test_a_lost_publicdb_is_filled_again(campaign: Any, newest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """newest: of how many letters the look of every ten seconds finds missing pages, before the rest follows."""
    text, _picture = _showing(campaign)
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    audience.give_form(campaign.list, "thursday", now=NOW)
    let_go(campaign)
    publish.missing_letters(NOW)
    Site.objects.all().delete()
    Page.objects.all().delete()
    monkeypatch.setattr(publish, "NEWEST_EDITIONS", newest)
    publish.missing_places(NOW)
    publish.missing_letters(NOW)
    settle()
    there = (Site, Form, Page, PublicPicture, EditionName)
    assert [model.objects.count() for model in there] == [1, 1, 1, 1, 1]


def _published() -> set[tuple[Any, ...]]:
    """All that the public database has of letters, as values that can be compared."""
    rows = [row for model in unsigned.SOME for row in model._default_manager.values_list()]
    return {tuple(bytes(part) if isinstance(part, memoryview) else part for part in row) for row in rows}


@pytest.fixture
def out(campaign: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The letter with a picture and another language, out and published, and what became of a link."""
    monkeypatch.setattr(unsigned, "_reached", {})
    text, _picture = _showing(campaign)
    campaigns.save(campaign, text, version=campaign.version, by=None, now=NOW)
    campaign.refresh_from_db()
    translations.add(campaign, "de", by=None, now=NOW)
    let_go(campaign)
    publish.missing_letters(NOW)
    key = keyring.keys(campaign.organization).link
    assert key is not None
    publicdb.set_token_state(tokens.make(key, "leave", campaign.edition.pk, 1), "back")
    settle()
    assert unsigned.throw_out(NOW) == 0 and len(_published()) == 5
    return campaign


@pytest.mark.parametrize("newest", [50, 0])
@pytest.mark.parametrize(
    ("model", "forged"),
    [
        (Page, {"title": "We have moved"}),
        (Page, {"html": '<a href="https://evil.example/">Confirm today</a>'}),
        (Page, {"edition": 999}),
        (PublicPicture, {"data": b"evil"}),
        (EditionName, {"list_name": "Evil", "appeal": True}),
    ],
)
def test_what_somebody_wrote_into_a_letter_on_the_web_is_ours_again_and_it_is_told(
    out: Any, model: Any, forged: dict[str, Any], newest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "NEWEST_EDITIONS", newest)
    before = _published()
    model.objects.update(**forged)
    assert unsigned.throw_out(NOW) == (2 if model is Page else 1)
    publish.missing_letters(NOW)
    settle()
    assert _published() == before
    assert Event.objects.filter(kind="publicdb.altered").count() == 1
    assert unsigned.throw_out(NOW) == 0


def test_one_language_of_a_letter_that_somebody_changed_is_ours_again(out: Any) -> None:
    before = _published()
    Page.objects.filter(version__gt=0).update(title="Evil")
    assert unsigned.throw_out(NOW) == 1
    settle()
    assert _published() == before


def test_a_letter_that_nobody_wrote_is_thrown_out(out: Any) -> None:
    before = _published()
    place = bytes(out.organization.uid)
    Page.objects.create(slug="feedbeef", place_id=place, edition=7, title="Evil", html="evil", day=NOW.date())
    PublicPicture.objects.create(slug="feedbeef", place_id=place, kind="png", data=b"evil")
    TokenState.objects.create(token_hash=bytes(32), state="left")
    assert unsigned.throw_out(NOW) == 3
    settle()
    assert _published() == before


def test_a_picture_of_a_draft_is_not_published_because_somebody_wrote_one_in_its_place(out: Any) -> None:
    secret = _picture(out.organization, "red")
    place = bytes(out.organization.uid)
    PublicPicture.objects.create(slug=secret.slug, place_id=place, kind="png", data=b"evil")
    assert unsigned.throw_out(NOW) == 1
    publish.missing_letters(NOW)
    settle()
    assert not PublicPicture.objects.filter(slug=secret.slug).exists()


def test_of_many_rows_each_has_its_turn(out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsigned, "SOME", dict.fromkeys(unsigned.SOME, 1))
    Page.objects.update(title="Evil")
    assert [unsigned.throw_out(NOW) for _turn in range(3)] == [1, 1, 0]


def test_an_organization_that_the_publicdb_does_not_know_is_published(campaign: Any) -> None:
    Site.objects.all().delete()
    audience.give_form(campaign.list, "thursday", now=NOW)
    assert publish.missing_places(NOW) == 1
    assert publish.missing_places(NOW) == 0
    assert (Site.objects.count(), Form.objects.count()) == (1, 1)


def test_an_erasure_is_swept_from_the_disk_until_it_went_through(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.audience import sql as audience_sql
    from samizdat.worker.schedule import vacuum

    answers = [False, True]
    monkeypatch.setattr(audience_sql, "sweep_after_erasing", lambda: answers.pop(0))
    monkeypatch.setattr(event_handlers, "WAITS", (0,))
    settle()
    assert NOW.hour, "so that the readable day of the event lies before the sweep and its moment after"
    first = record("subscriber.erased", lantern, now=NOW)
    second = record("subscriber.erased", lantern, now=NOW)
    monkeypatch.setattr(vacuum, "_swept", NOW - timedelta(seconds=1))
    with pytest.raises(vacuum.NotSwept):
        vacuum.sweep(first, NOW + timedelta(seconds=1))
    vacuum.sweep(first, NOW + timedelta(seconds=2))
    vacuum.sweep(second, NOW + timedelta(seconds=3))
    assert answers == [], "one sweep does for both"
