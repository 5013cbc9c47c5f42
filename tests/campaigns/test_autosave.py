"""Drafts that several people write in: merged by block, kept, brought back; who is here, and what is said beside."""

import json
from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience.actions import new_list
from samizdat.campaigns import actions
from samizdat.campaigns.drafts import autosave, comments, presence, revisions
from samizdat.campaigns.drafts.comments import CommentText
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile, NotADraft
from samizdat.campaigns.models import Campaign, Comment, DraftRevision
from samizdat.campaigns.templates import convert_format
from tests.conftest import NOW
from tests.web.conftest import make_person

pytestmark = pytest.mark.django_db


def blocks(**texts: str) -> Draft:
    """A letter with a paragraph for each name, which is its id."""
    content = [
        {"type": "paragraph", "attrs": {"id": name}, "content": [{"type": "text", "text": text}]}
        for name, text in texts.items()
    ]
    body = json.dumps({"type": "doc", "content": content})
    return Draft(subject="News", from_email="letter@lantern.example", body=body, format="blocks")


def said(draft: Draft) -> list[str]:
    return [block["content"][0]["text"] for block in json.loads(draft.body)["content"]]


@pytest.fixture
def clara(lantern: Any) -> Any:
    return make_person("Clara", "clara@lantern.example", lantern, "editor")


@pytest.fixture
def vera(lantern: Any) -> Any:
    return make_person("Vera", "vera@lantern.example", lantern, "admin")


@pytest.fixture
def letter(lantern: Any, clara: Any) -> Campaign:
    list_ = new_list(lantern, "The Thursday Letter", now=NOW)
    return actions.create(lantern, list_, blocks(head="Hello", tail="Bye"), by=clara, now=NOW)


def save(
    letter: Campaign, draft: Draft, by: Any, version: int = 1, page: str = "", **changes: Any
) -> autosave.SaveResult:
    return autosave.save(letter, draft, version=version, by=by, now=NOW, page=page, **changes)


def test_two_who_write_in_different_blocks_both_have_written(letter: Campaign, clara: Any, vera: Any) -> None:
    save(letter, blocks(head="Hello all", tail="Bye"), clara)
    saved = save(letter, blocks(head="Hello", tail="Goodbye"), vera)
    assert said(draft_of(letter)) == ["Hello all", "Goodbye"]
    assert (saved.merged, saved.doubled, saved.writers) == (True, 0, (clara.pk,))


def test_a_block_that_both_changed_stands_twice_and_is_remarked_on(letter: Campaign, clara: Any, vera: Any) -> None:
    save(letter, blocks(head="Clara's", tail="Bye"), clara)
    saved = save(letter, blocks(head="Vera's", tail="Bye"), vera)
    assert said(saved.draft) == ["Vera's", "Clara's", "Bye"]
    (remark,) = comments.comments(letter)
    second = json.loads(saved.draft.body)["content"][1]["attrs"]["id"]
    assert (remark.words.block, remark.words.other) == ("head", second)


def test_of_a_line_that_both_changed_nothing_is_lost(letter: Campaign, clara: Any, vera: Any) -> None:
    first = draft_of(letter)
    save(letter, first.with_(subject="Clara's", preheader="Clara's alone"), clara)
    saved = save(letter, first.with_(subject="Vera's"), vera)
    assert (saved.draft.subject, saved.draft.preheader, saved.overruled) == ("Vera's", "Clara's alone", 1)
    (remark,) = comments.comments(letter)
    assert remark.words.text == "Subject, as edited elsewhere at the same time: Clara's"


def test_in_markdown_one_writes_the_text_and_another_the_subject(letter: Campaign, clara: Any, vera: Any) -> None:
    plain = draft_of(letter).with_(format="markdown", body="Hello")
    version = save(letter, plain, clara).version
    save(letter, plain.with_(subject="Water"), clara, version=version)
    saved = save(letter, plain.with_(body="Hello all"), vera, version=version)
    assert (saved.draft.subject, saved.draft.body, saved.merged) == ("Water", "Hello all", True)
    with pytest.raises(DraftChangedMeanwhile):
        save(letter, plain.with_(body="Hello, you"), clara, version=version)


def test_nobody_merges_with_what_their_own_page_saved_a_moment_ago(letter: Campaign, clara: Any) -> None:
    # The answer to the first save got lost, so the page still goes by version 1.
    save(letter, blocks(head="Hel", tail="Bye"), clara, page="one")
    saved = save(letter, blocks(head="Hello there", tail="Bye"), clara, page="one")
    assert (said(saved.draft), saved.merged) == (["Hello there", "Bye"], False)


def test_what_changes_nothing_is_not_saved(letter: Campaign, clara: Any) -> None:
    assert save(letter, draft_of(letter), clara).version == 1
    assert not DraftRevision.objects.exists()


def test_a_subject_that_only_one_of_them_changed_stays_changed(letter: Campaign, clara: Any, vera: Any) -> None:
    begun = draft_of(letter)
    save(letter, begun.with_(subject="The river"), clara, language="ru")
    saved = save(letter, begun.with_(preheader="Short"), vera, language="en")
    assert (saved.draft.subject, saved.draft.preheader, letter.language) == ("The river", "Short", "ru")


def test_markdown_is_not_merged_and_whoever_saves_second_is_told(letter: Campaign, clara: Any, vera: Any) -> None:
    save(letter, Draft(body="# Hello"), clara)
    with pytest.raises(DraftChangedMeanwhile):
        save(letter, Draft(body="# Bye"), vera)


def test_what_a_page_sent_while_it_was_reloaded_and_what_is_typed_after_it_are_both_kept(
    letter: Campaign, clara: Any
) -> None:
    save(letter, Draft(body="Hello. "), clara, page="one" + "0" * 8)
    save(letter, Draft(body="Hello. Before. "), clara, version=2, page="one" + "0" * 7 + "1")
    saved = save(letter, Draft(body="Hello. After. "), clara, version=2, page="two" + "0" * 8)
    assert (saved.draft.body, saved.merged, saved.writers) == ("Hello. Before. After. ", True, ())
    saved = save(letter, Draft(body="Hi."), clara, version=saved.version, page="three" + "0" * 8)
    with pytest.raises(DraftChangedMeanwhile) as overtaken:
        save(letter, Draft(body="Bye."), clara, version=saved.version - 1, page="four" + "0" * 8)
    assert overtaken.value.is_own


def test_what_was_released_is_not_saved_over(letter: Campaign, clara: Any) -> None:
    Campaign.objects.update(state="sending")
    with pytest.raises(NotADraft):
        save(letter, blocks(head="Late"), clara)


def test_every_version_is_kept_sealed_and_comes_back(letter: Campaign, clara: Any) -> None:
    save(letter, blocks(head="Second thoughts"), clara)
    first, second = DraftRevision.objects.order_by("number")
    assert (first.number, second.number) == (1, 2)
    assert b"thoughts" not in bytes(second.sealed)
    letter.refresh_from_db()
    assert autosave.restore(letter, 1, by=clara, now=NOW)
    assert said(draft_of(Campaign.objects.get())) == ["Hello", "Bye"]
    assert DraftRevision.objects.count() == 3
    assert not autosave.restore(letter, 99, by=clara, now=NOW)


def test_the_history_has_a_line_for_each_sitting_with_the_words_that_changed(
    letter: Campaign, clara: Any, vera: Any
) -> None:
    assert revisions.entries(letter) == []
    for number, text in enumerate(("Hello a", "Hello a b", "Hello a b c"), 1):
        now = NOW + timedelta(minutes=number)
        autosave.save(letter, blocks(head=text, tail="Bye"), version=number, by=clara, now=now)
    later = NOW + timedelta(hours=1)
    autosave.save(letter, blocks(head="Hello a b c"), version=4, by=vera, now=later)
    lines = revisions.entries(letter)
    assert [(line.number, line.by_id, line.new, line.gone) for line in lines] == [
        (5, vera.pk, 0, 1),
        (4, clara.pk, 0, 0),
    ]
    assert [line.is_now for line in lines] == [True, False]


def test_old_versions_are_thinned_out_to_one_a_day() -> None:
    rows = [(number, NOW - timedelta(minutes=30 * (1000 - number))) for number in range(1, 1001)]
    stay = revisions.kept(rows, NOW)
    assert {number for number, _at in rows[-revisions.NEWEST :]} <= stay
    days = {at.date() for _number, at in rows}
    assert days == {at.date() for number, at in rows if number in stay}
    assert len(stay) < 50 + 2 * 48 + len(days)


def test_whoever_is_here_is_named_for_a_minute(letter: Campaign, clara: Any, vera: Any) -> None:
    presence.here(letter, clara, NOW)
    presence.here(letter, clara, NOW)
    assert presence.others(letter, vera, NOW) == [clara]
    assert presence.others(letter, clara, NOW) == []
    assert presence.others(letter, vera, NOW + timedelta(seconds=61)) == []
    presence.forget(NOW + timedelta(seconds=61))
    assert not letter.writers.exists()


def test_a_comment_is_sealed_and_can_be_settled(letter: Campaign, clara: Any, vera: Any) -> None:
    row = comments.say(letter, CommentText("Is this the right year?", block="head", quote="Hello"), by=clara, now=NOW)
    assert b"year" not in bytes(Comment.objects.get().sealed)
    comments.resolve(letter, row.pk, by=vera, now=NOW)
    (view,) = comments.comments(letter)
    assert (view.words.text, view.by_id, view.resolved) == ("Is this the right year?", clara.pk, True)
    for words in (CommentText("  "), CommentText("x" * 5000)):
        with pytest.raises(CampaignError):
            comments.say(letter, words, by=clara, now=NOW)


def test_a_letter_is_switched_to_markdown_and_back_and_to_html(letter: Campaign, clara: Any) -> None:
    before = draft_of(letter)
    convert_format.switch(letter, "markdown", by=clara, now=NOW)
    assert (draft_of(letter).format, draft_of(letter).body) == ("markdown", "Hello\n\nBye\n")
    convert_format.switch(letter, "blocks", by=clara, now=NOW)
    assert said(draft_of(letter)) == said(before)
    convert_format.switch(letter, "html", by=clara, now=NOW)
    assert "Hello</p>" in draft_of(letter).body
    convert_format.switch(letter, "blocks", by=clara, now=NOW)
    assert [block["type"] for block in json.loads(draft_of(letter).body)["content"]] == ["html"]


def test_what_markdown_cannot_say_stays_in_blocks(letter: Campaign, clara: Any) -> None:
    button = {"type": "button", "attrs": {"text": "Give", "link": "https://lantern.example"}}
    body = json.dumps({"type": "doc", "content": [button]})
    save(letter, draft_of(letter).with_(body=body), clara)
    with pytest.raises(CampaignError):
        convert_format.switch(letter, "markdown", by=clara, now=NOW)
    assert draft_of(letter).format == "blocks"


def test_a_letter_whose_one_spelling_is_too_large_to_be_read_again_is_not_saved() -> None:
    paragraph = '{"type":"paragraph","content":[{"type":"text","text":"' + "x" * 49_939 + '"}]}'
    body = '{"type":"doc","content":[' + ",".join([paragraph] * 20) + "]}"
    assert len(body) < 1_000_000
    with pytest.raises(CampaignError):
        actions.checked(Draft(body=body, format="blocks"))
