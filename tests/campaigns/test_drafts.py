"""A letter from first word to frozen edition."""

import json
import secrets
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience.actions import new_list
from samizdat.campaigns import actions
from samizdat.campaigns.calendar import planned
from samizdat.campaigns.content import findings, proof_of
from samizdat.campaigns.drafts import revisions
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import (
    CampaignError,
    ContentHasProblems,
    DraftChangedMeanwhile,
    NoSuchCampaign,
    NotADraft,
    StorageFull,
)
from samizdat.campaigns.freezing import freeze
from samizdat.campaigns.media import storage
from samizdat.campaigns.media.library import uses
from samizdat.campaigns.models import Approval, Campaign, DraftRevision, Edition, EditionClicks, Picture, TemplateText
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.queries import CampaignRow, campaign_of, drafts_with, newest, searched
from samizdat.campaigns.templates import import_template, layout_store
from samizdat.core.content.message import loads
from samizdat.core.content.templates.layout import LayoutChanges, WrittenRegion
from samizdat.vault import keyring
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

LETTER = Draft(
    subject="News of the week",
    from_name="Northern Lantern",
    from_email="letter@lantern.example",
    body="Hello {{ FNAME }}, [read on](https://lantern.example/story).",
)


@pytest.fixture
def letter(lantern: Any) -> Campaign:
    list_ = new_list(lantern, "The Thursday Letter", now=NOW)
    from samizdat.audience.actions import fields_for

    fields_for(lantern, {"FNAME": "First name"})
    return actions.create(lantern, list_, LETTER, by=None, now=NOW)


def test_a_draft_is_sealed(letter: Campaign) -> None:
    letter.refresh_from_db()
    assert b"News" not in bytes(letter.draft_sealed)
    assert draft_of(letter) == LETTER


def test_whoever_saves_second_is_told_and_overwrites_nothing(letter: Campaign) -> None:
    actions.save(letter, LETTER.with_(subject="Clara's"), version=1, by=None, now=NOW)
    with pytest.raises(DraftChangedMeanwhile):
        actions.save(letter, LETTER.with_(subject="Dmitri's"), version=1, by=None, now=NOW)
    letter.refresh_from_db()
    assert draft_of(letter).subject == "Clara's"


def test_the_page_that_saved_shows_the_time_of_that_saving(letter: Campaign) -> None:
    later = NOW + timedelta(minutes=2)
    actions.save(letter, LETTER, version=1, by=None, now=later)
    assert letter.changed == later


def test_a_copy_is_a_draft_with_the_same_words(letter: Campaign) -> None:
    copied = copy(letter, by=None, now=NOW)
    assert (copied.pk != letter.pk, copied.state, draft_of(copied)) == (True, "draft", LETTER)


def test_a_name_may_stand_in_a_letter_before_anybody_with_a_name_came_in(lantern: Any) -> None:
    letter = actions.create(lantern, new_list(lantern, "New", now=NOW), LETTER, by=None, now=NOW)
    assert not [flaw for flaw in findings(proof_of(letter, NOW).flaws) if flaw.severity == "stop"]


def test_a_frozen_edition_compiles_once_and_names_its_keys(letter: Campaign, lantern: Any) -> None:
    edition, _asked = freeze(open_campaign(letter), NOW)
    compiled = loads(keyring.keys(lantern).open(edition.compiled_sealed, "edition", "compiled", edition.id))
    assert "FNAME" in compiled.fields
    assert edition.link_key == keyring.keys(lantern).link.number
    assert edition.message_id_domain == "lantern.example"


def test_a_release_that_was_killed_is_made_anew(letter: Campaign) -> None:
    first, _asked = freeze(open_campaign(letter), NOW)
    second, _asked = freeze(open_campaign(letter), NOW)
    assert list(Edition.objects.values_list("archive_slug", flat=True)) == [second.archive_slug]
    assert first.archive_slug != second.archive_slug


def test_a_flaw_stops_the_letter_and_names_its_line(letter: Campaign) -> None:
    actions.save(letter, LETTER.with_(body="Hello\n\n*|NOSUCH|*"), version=1, by=None, now=NOW)
    with pytest.raises(ContentHasProblems) as stopped:
        freeze(open_campaign(letter), NOW)
    assert "line 3" in str(stopped.value)
    assert not Edition.objects.exists()


def test_a_button_takes_out_what_does_not_exist_here(letter: Campaign) -> None:
    body = "Hello\n\n[Forward](*|FORWARD|*)\n\nBye *|REWARDS|*"
    version = actions.save(letter, LETTER.with_(body=body), version=1, by=None, now=NOW)
    found = {finding.code for finding in findings(proof_of(letter, NOW).flaws) if finding.fix == "remove"}
    assert found
    for code in found:
        version = actions.remove_flawed(letter, code, version=version, by=None, now=NOW)
        letter.refresh_from_db()
    assert "FORWARD" not in draft_of(letter).body
    assert "REWARDS" not in draft_of(letter).body
    assert "Hello" in draft_of(letter).body


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "x" * 3000},
        {"subject": "Hi\r\nBcc: everybody@lantern.example"},
        {"from_name": "Lantern\r\nX-Evil: 1"},
        {"from_email": "not an address"},
        {"reply_to": "a@b\r\nBcc: c@d"},
        {"body": "Hello {% if FNAME %} never ended"},
        {"body": "Hello *|FNAME"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_bad_words_are_flaws_and_never_go_out(letter: Campaign, changes: dict[str, str]) -> None:
    actions.save(letter, LETTER.with_(**changes), version=1, by=None, now=NOW)
    with pytest.raises(ContentHasProblems):
        freeze(open_campaign(letter), NOW)


def test_a_campaign_of_another_organization_does_not_exist(letter: Campaign, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization
    from tests.conftest import TODAY

    other = found_organization("Southern Lantern", source=vault, today=TODAY)
    with pytest.raises(NoSuchCampaign):
        campaign_of(other, letter.pk)
    assert newest(other) == []
    with pytest.raises(CampaignError):
        actions.create(other, letter.list, LETTER, by=None, now=NOW)


def test_a_draft_can_be_thrown_away_and_a_sent_letter_cannot(letter: Campaign) -> None:
    sent = copy(letter, by=None, now=NOW)
    Campaign.objects.filter(pk=sent.pk).update(state="finished")
    with pytest.raises(NotADraft):
        actions.delete_draft(sent, by=None, now=NOW)
    actions.delete_draft(letter, by=None, now=NOW)
    assert not Campaign.objects.filter(pk=letter.pk).exists()


def test_a_letter_of_blocks_is_kept_in_one_spelling_and_a_wrong_block_is_named(letter: Campaign) -> None:
    loose = '{ "type": "doc", "content": [{"type": "heading", "content": [{"type": "text", "text": "Hello"}]}] }'
    blocks = LETTER.with_(body=loose, format="blocks")
    actions.save(letter, blocks, version=1, by=None, now=NOW)
    kept = draft_of(letter).body
    assert '"level":1' in kept
    actions.save(letter, blocks.with_(body=kept), version=2, by=None, now=NOW)
    assert draft_of(letter).body == kept
    with pytest.raises(CampaignError, match="Block 1: there is no block type called marquee"):
        actions.save(letter, blocks.with_(body=loose.replace("heading", "marquee")), version=3, by=None, now=NOW)
    assert draft_of(letter).body == kept


def test_a_letter_of_blocks_shows_pictures_of_the_library_and_loses_tags_that_cannot_go(letter: Campaign) -> None:
    shown = Picture.objects.create(
        organization=letter.organization, slug="ab" * 12, kind="png", width=400, height=300, sealed=b"", created=NOW
    )
    words = {"type": "text", "text": "Hello *|FORWARD|* {{ FNAME }}"}
    blocks = [
        {"type": "paragraph", "content": [words]},
        {"type": "picture", "attrs": {"src": shown.slug, "alt": "The river"}},
    ]
    body = json.dumps({"type": "doc", "content": blocks})
    actions.save(letter, LETTER.with_(body=body, format="blocks"), version=1, by=None, now=NOW)
    with pytest.raises(ContentHasProblems, match="block 1"):
        freeze(open_campaign(letter), NOW)
    letter.refresh_from_db()
    actions.remove_flawed(letter, "tag_forward", version=2, by=None, now=NOW)
    assert '"Hello  {{ FNAME }}"' in draft_of(letter).body
    edition, _asked = freeze(open_campaign(letter), NOW)
    sealed = keyring.keys(letter.organization).open(bytes(edition.compiled_sealed), "edition", "compiled", edition.id)
    assert f"/m/{shown.slug}.png".encode() in b"".join(loads(sealed).parts).replace(b"=\r\n", b"")


def test_a_picture_is_known_to_be_in_use_by_blocks_that_name_it(letter: Campaign) -> None:
    shown = Picture.objects.create(
        organization=letter.organization, slug="cd" * 12, kind="png", width=4, height=3, sealed=b"", created=NOW
    )
    body = json.dumps({"type": "doc", "content": [{"type": "picture", "attrs": {"src": shown.slug}}]})
    actions.save(letter, LETTER.with_(body=body, format="blocks"), version=1, by=None, now=NOW)
    assert [use.number for use in uses(letter.organization, [shown.slug])[shown.slug]] == [letter.pk]


def test_links_as_people_type_them_are_mended_by_every_save(letter: Campaign, lantern: Any) -> None:
    button = {"type": "button", "attrs": {"text": "Read on", "link": "lantern.example/story"}}
    words = {"type": "paragraph", "content": [{"type": "text", "text": "or [here](https://lantern.example/b)"}]}
    draft = LETTER.with_(format="blocks", body=json.dumps({"type": "doc", "content": [button, words]}))
    actions.save(letter, draft, version=1, by=None, now=NOW)
    created = actions.create(lantern, letter.list, draft, by=None, now=NOW)
    for campaign in (Campaign.objects.get(pk=letter.pk), created):
        proof = proof_of(campaign, NOW)
        assert set(proof.letter.links) >= {"https://lantern.example/story", "https://lantern.example/b"}
        assert not [flaw for flaw in proof.flaws if flaw.code.startswith("link_")]


def test_a_picture_that_a_saved_template_shows_is_in_use(letter: Campaign, lantern: Any) -> None:
    body = json.dumps({"type": "doc", "content": [{"type": "picture", "attrs": {"src": "ab" * 8, "alt": "The river"}}]})
    draft = LETTER.with_(format="blocks", body=body)
    written = actions.create(lantern, letter.list, draft, by=None, now=NOW)
    import_template.save_as_template(written, "River", by=None, now=NOW)
    actions.delete_draft(written, by=None, now=NOW)
    assert [use.name for use in uses(lantern, ["ab" * 8])["ab" * 8]] == ["River"]


def test_a_draft_longer_than_any_email_is_not_saved(letter: Campaign) -> None:
    with pytest.raises(CampaignError, match="too long to be saved"):
        actions.save(letter, LETTER.with_(body="ж" * 990_000), version=1, by=None, now=NOW)
    letter.refresh_from_db()
    assert draft_of(letter) == LETTER


def test_drafts_count_toward_storage_and_a_full_one_still_takes_words(
    letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_STORAGE", "2")
    long = LETTER.with_(body=secrets.token_hex(200_000))
    for _draft in range(5):
        actions.create(lantern, letter.list, long, by=None, now=NOW)
    with pytest.raises(StorageFull, match="campaigns"):
        actions.create(lantern, letter.list, long, by=None, now=NOW)
    with pytest.raises(StorageFull):
        actions.save(letter, long, version=1, by=None, now=NOW)
    assert not DraftRevision.objects.filter(campaign=letter).exists(), "nothing of it stays"
    Picture.objects.create(
        organization=lantern, slug="ab12cd34", kind="png", width=1, height=1, sealed=b"x" * 100_000, created=NOW
    )
    actions.create(lantern, letter.list, LETTER, by=None, now=NOW)
    actions.save(letter, LETTER.with_(subject="Words"), version=1, by=None, now=NOW)


def test_locked_copies_of_campaigns_count_toward_storage(
    letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export with many finished campaigns would fill the disk of all."""
    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    Edition.objects.create(
        organization=lantern,
        campaign=letter,
        compiled_sealed=b"x" * 600_000,
        details_sealed=b"x" * 600_000,
        link_key=1,
        created=NOW,
    )
    with pytest.raises(StorageFull):
        storage.insist_on_room(lantern, 0)


def test_sums_of_clicks_count_toward_storage(letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are 240 bytes for each link, from the release on."""
    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    edition = Edition.objects.create(
        organization=lantern, campaign=letter, compiled_sealed=b"", details_sealed=b"", link_key=1, created=NOW
    )
    storage.insist_on_room(lantern, 0)
    EditionClicks.objects.create(edition=edition, until=NOW.date(), sums_sealed=b"x" * 1_200_000)
    with pytest.raises(StorageFull):
        storage.insist_on_room(lantern, 0)


def test_approvals_count_toward_storage(letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each knows thousands of recipients."""
    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    storage.insist_on_room(lantern, 0)
    Approval.objects.create(campaign=letter, yes_sealed=b"x" * 1_200_000)
    with pytest.raises(StorageFull):
        storage.insist_on_room(lantern, 0)


def test_a_draft_does_not_begin_with_what_its_template_holds_where_there_is_no_room(
    letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TemplateText(
        name="Monthly", source="<p>News</p>", places=LayoutChanges(texts={"a": WrittenRegion(html="x" * 100_000)})
    )
    letter.template = import_template.add(lantern, text, "template.imported", by=None, now=NOW)
    monkeypatch.setenv("SAMIZDAT_STORAGE", "0")
    with pytest.raises(StorageFull):
        layout_store.begin_as_saved(letter)


def test_lists_of_drafts_keep_their_subjects_alone_in_memory(letter: Campaign, lantern: Any) -> None:
    """A page of fifty drafts of a megabyte each would take a hundred."""
    for number in range(20):
        long = LETTER.with_(subject=f"News {number}", body="x" * 500_000)
        row = actions.create(lantern, letter.list, long, by=None, now=NOW)
        Campaign.objects.filter(pk=row.pk).update(planned=NOW.date())
    pages: dict[str, Callable[[], list[CampaignRow]]] = {
        "the list": lambda: newest(lantern),
        "the search": lambda: searched(lantern, "news")[0],
        "the calendar": lambda: planned(lantern, NOW.date(), NOW.date()),
        "a removed field": lambda: drafts_with(lantern, "News"),
    }
    for name, page in pages.items():
        tracemalloc.start()
        rows = page()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(rows) >= 20 and most < 9_000_000, name


def test_the_history_of_a_campaign_has_an_end_in_bytes(
    letter: Campaign, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "MOST_BYTES", 300_000)
    monkeypatch.setattr(revisions, "COMPARED", 1_000)
    for version in range(1, 30):
        long = LETTER.with_(body=secrets.token_hex(20_000))
        actions.save(letter, long, version=version, by=None, now=NOW + timedelta(minutes=11 * version))
    numbers = DraftRevision.objects.filter(campaign=letter).order_by("number").values_list("number", flat=True)
    assert len(numbers) < 22 and numbers[::-1][0] == 30, "the newest stay"
    assert not any(entry.whole for entry in revisions.entries(letter)), "and too long ones are not compared to the end"
