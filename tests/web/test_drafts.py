"""Around a draft at the desk: blocks that save themselves, colleagues in the letter, history, comments, preview."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat import limited_process
from samizdat.campaigns import actions
from samizdat.campaigns.drafts import autosave, comments
from samizdat.campaigns.drafts.draft import Draft, draft_of, sealed
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, DraftRevision
from samizdat.campaigns.templates import convert_format, import_template, layout
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def body(**texts: str) -> str:
    content = [
        {"type": "paragraph", "attrs": {"id": name}, "content": [{"type": "text", "text": text}]}
        for name, text in texts.items()
    ]
    return json.dumps({"type": "doc", "content": content})


@pytest.fixture
def letter(here: House) -> Campaign:
    draft = Draft(
        subject="What the river took",
        from_name="Lantern",
        from_email="letter@lantern.example",
        body=body(head="The water came at four.", tail="Yours"),
        format="blocks",
    )
    return actions.create(here.organization, here.list, draft, by=here.people["editor"], now=NOW)


def answers(here: House, letter: Campaign, **changes: Any) -> dict[str, Any]:
    draft = draft_of(letter)
    return {
        "version": "1",
        "subject": draft.subject,
        "from_name": draft.from_name,
        "from_email": draft.from_email,
        "list": here.list.pk,
        "language": "en",
        "format": "blocks",
        "body": draft.body,
    } | changes


@pytest.mark.once
def test_text_too_large_for_a_page_is_a_sentence_and_the_draft_stays(here: House, desk: Desk, letter: Campaign) -> None:
    answer = desk("editor").post(_to(here, "campaign", letter.pk), {"subject": "Large", "body": "x" * 4_300_000})
    assert answer.status_code == 413 and "Go back in your browser: your text is still there" in answer.content.decode()
    letter.refresh_from_db()
    assert draft_of(letter).subject == "What the river took"


def test_a_letter_begins_in_blocks_and_can_begin_otherwise(here: House, desk: Desk) -> None:
    for asked, format_, first in (({}, "blocks", '{"type":"doc"'), ({"format": "markdown"}, "markdown", "")):
        answer = desk("editor").post(_to(here, "new-campaign"), asked, follow=True)
        made = draft_of(Campaign.objects.order_by("-pk")[0])
        assert made.format == format_ and made.body.startswith(first)
        assert ('id="writing"' in answer.content.decode()) == (format_ == "blocks")


def test_without_script_the_letter_can_still_be_read(here: House, desk: Desk, letter: Campaign) -> None:
    page = desk("editor").get(_to(here, "campaign", letter.pk)).content.decode()
    assert (
        "<p>The water came at four.</p>" in page
        and "The block editor needs JavaScript, which is off in this browser" in page
    )
    assert "<p>The water came at four.</p>" in desk("viewer").get(_to(here, "campaign", letter.pk)).content.decode()


def test_what_a_colleague_saved_meanwhile_comes_back_with_the_answer(here: House, desk: Desk, letter: Campaign) -> None:
    address = _to(here, "autosave", letter.pk)
    changed = answers(here, letter, subject="Theirs", body=body(head="At five.", tail="Yours"))
    first = desk("admin").post(address, changed)
    assert 'id="merged"' not in first.content.decode()
    page = desk("editor").post(address, answers(here, letter, body=body(head="The water came at four.", tail="Bye")))
    shown = page.content.decode()
    assert 'name="version" value="3"' in shown and 'id="merged"' in shown
    assert "&quot;subject&quot;: &quot;Theirs&quot;" in shown
    letter.refresh_from_db()
    assert "At five." in draft_of(letter).body and "Bye" in draft_of(letter).body


def test_an_older_save_that_arrives_after_a_newer_one_of_its_page_changes_nothing(
    here: House, desk: Desk, letter: Campaign
) -> None:
    # What is sent as a page is left may overtake what was on its way before.
    address, page = _to(here, "autosave", letter.pk), "ab" * 12
    for serial, text in ((2, "The water came at four, and stayed."), (1, "The water came at four.")):
        token = f"{page}{serial:08x}"
        answer = desk("editor").post(address, answers(here, letter, body=body(head=text), page=token))
        assert 'data-state="saved"' in answer.content.decode()
    letter.refresh_from_db()
    assert "and stayed." in draft_of(letter).body and letter.version == 2


def test_an_older_save_of_a_part_of_a_template_changes_nothing_either(
    here: House, desk: Desk, letter: Campaign
) -> None:
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=1, by=here.people["editor"], now=NOW, template=template)
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    for serial, text in ((2, "<p>At five.</p>"), (1, "<p>At fi</p>")):
        asked = {"key": key, "format": "html", "body": text, "version": "2", "page": f"{'cd' * 12}{serial:08x}"}
        desk("editor").post(_to(here, "autosave-region", letter.pk), asked)
    letter.refresh_from_db()
    assert "At five." in layout.place(letter, key).html  # type: ignore[union-attr]


def test_links_in_a_part_of_a_template_are_completed_as_in_the_email(here: House, desk: Desk, letter: Campaign) -> None:
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=1, by=here.people["editor"], now=NOW, template=template)
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    linked = {"type": "text", "text": "More", "marks": [{"type": "link", "attrs": {"href": "lantern.example/more"}}]}
    text = json.dumps({"type": "doc", "content": [{"type": "paragraph", "attrs": {"id": "one1"}, "content": [linked]}]})
    asked = {"key": key, "format": "blocks", "body": text, "version": "2", "page": f"{'cd' * 12}{1:08x}"}
    answer = desk("editor").post(_to(here, "autosave-region", letter.pk), asked).content.decode()
    letter.refresh_from_db()
    assert 'href="https://lantern.example/more"' in layout.place(letter, key).html  # type: ignore[union-attr]
    assert 'id="completed"' in answer and "https://lantern.example/more" in answer, "the open editor shows it too"


def test_a_block_that_both_changed_is_shown_to_both(here: House, desk: Desk, letter: Campaign) -> None:
    address = _to(here, "autosave", letter.pk)
    desk("admin").post(address, answers(here, letter, body=body(head="At five.", tail="Yours")))
    shown = desk("editor").post(address, answers(here, letter, body=body(head="At six.", tail="Yours")))
    assert "A block was edited twice at the same time" in shown.content.decode()
    page = desk("admin").get(_to(here, "campaign", letter.pk)).content.decode()
    assert "Edited twice at the same time" in page
    assert "At five." in page and "At six." in page


def test_a_block_changed_by_one_person_in_two_tabs_names_no_colleague(
    here: House, desk: Desk, letter: Campaign
) -> None:
    client, address = desk("editor"), _to(here, "campaign", letter.pk)
    for page, words in (("a" * 32, "At five."), ("b" * 32, "At six.")):
        typed = answers(here, letter, subject=words, body=body(head=words, tail="Yours"), page=page)
        shown = client.post(address, typed, follow=True).content.decode()
    assert "A block was edited twice at the same time" in shown and "At five." in shown and "At six." in shown
    assert "Subject, as edited elsewhere at the same time: At five." in shown
    for word in ("colleague changed", "colleague edited", "Two people", "by two"):
        assert word not in shown


@pytest.mark.parametrize("who", ["editor", "admin"])
def test_a_text_that_was_saved_over_says_by_whom(here: House, desk: Desk, letter: Campaign, who: str) -> None:
    """In the letter and in a part of its template; by oneself in another tab, or by a colleague."""
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=1, by=here.people["editor"], now=NOW, template=template)
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    own = {
        "region": "You changed this block in another tab too",
        "campaign": "You also changed this text in another tab",
    }
    for name, typed in (("region", {"key": key}), ("campaign", answers(here, letter, template=template.pk))):
        letter.refresh_from_db()
        typed = typed | {"format": "html", "version": str(letter.version)}
        desk(who).post(_to(here, name, letter.pk), typed | {"body": "<p>At five.</p>", "page": "a" * 32})
        late = desk("editor").post(_to(here, name, letter.pk), typed | {"body": "<p>At six.</p>", "page": "b" * 32})
        page = late.content.decode()
        assert late.status_code == 422 and "At five." in page and "At six." in page, name
        assert ("Version you saved in another tab" in page) is (who == "editor"), name
        assert ("Your colleague’s version" in page) is (who == "admin"), name
        assert (own[name] in page) is (who == "editor"), name


def test_what_was_chosen_and_then_removed_by_a_colleague_holds_no_text_back(
    here: House, desk: Desk, letter: Campaign
) -> None:
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=1, by=here.people["editor"], now=NOW, template=template)
    import_template.remove(template, by=here.people["admin"], now=NOW)
    chosen = {"template": here.template, "segment": 999_999, "list": 999_999}
    typed = answers(here, letter, body=body(head="At five."), version="2") | chosen
    saved = desk("editor").post(_to(here, "autosave", letter.pk), typed).content.decode()
    letter.refresh_from_db()
    assert "At five." in draft_of(letter).body and letter.list == here.list and letter.template is None
    assert 'data-state="saved"' in saved
    assert "Deleted in the meantime and not selected: List, Segment, Template. Reload the page" in saved
    typed |= {"body": body(head="At six."), "version": letter.version, "then": "send"}
    pressed = desk("editor").post(_to(here, "campaign", letter.pk), typed, follow=True)
    assert (
        "Deleted in the meantime and not selected" in pressed.content.decode() and "At six." in pressed.content.decode()
    )
    assert pressed.redirect_chain[-1][0] == _to(here, "campaign", letter.pk), "it does not go on to send"


@pytest.mark.parametrize("format_", ["blocks", "html"])
def test_a_text_whose_place_is_gone_is_shown_to_be_copied(
    here: House, desk: Desk, letter: Campaign, format_: str
) -> None:
    """A part of a template that was removed, and a letter that a colleague released meanwhile."""
    typed = {"key": "head", "format": format_, "body": body(head="At five.") if format_ == "blocks" else "<p>At five."}
    gone = desk("editor").post(_to(here, "region", letter.pk), typed)
    assert gone.status_code == 422 and "At five." in gone.content.decode()
    assert "The template of this campaign no longer has this block" in gone.content.decode()
    Campaign.objects.filter(pk=letter.pk).update(state="held")
    for name in ("region", "campaign"):
        late = desk("editor").post(_to(here, name, letter.pk), answers(here, letter) | typed)
        assert late.status_code == 422 and "At five." in late.content.decode()
        assert "This campaign is no longer a draft. Copy your text" in late.content.decode()


def test_broken_blocks_are_refused_with_a_sentence_and_change_nothing(
    here: House, desk: Desk, letter: Campaign
) -> None:
    address = _to(here, "autosave", letter.pk)
    for wrong in ("{", json.dumps({"type": "doc", "content": [{"type": "script"}]})):
        page = desk("editor").post(address, answers(here, letter, body=wrong)).content.decode()
        assert 'data-state="refused"' in page and 'name="version" value="1"' in page
    assert not DraftRevision.objects.filter(campaign=letter).exists()


def test_who_else_is_here_is_told_by_name(here: House, desk: Desk, letter: Campaign) -> None:
    address = _to(here, "presence", letter.pk)
    assert desk("admin").post(address).json()["others"] == ""
    told = desk("editor").post(address).json()
    assert told["others"].startswith("Vera is editing this too") and told["version"] == 1
    assert desk("viewer").post(address).status_code == 403
    # Signed out: a script learns it by being led to the sign-in page.
    assert Client().get(address).status_code == 302


def test_a_history_that_is_too_long_to_be_compared_says_so_and_holds_nobody_up(
    here: House, desk: Desk, letter: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "a\n\nx\n\n" * 60_000
    for number, body in enumerate((long, long.replace("x", "y"))):
        letter.refresh_from_db()
        draft = draft_of(letter).with_(body=body, format="markdown")
        actions.save(letter, draft, version=letter.version, by=None, now=NOW + timedelta(hours=number))
    number = letter.version - 1
    for page, words in (
        (_to(here, "draft-version", letter.pk, number), "The rest is too long to compare."),
        (_to(here, "history", letter.pk), "too long to compare"),
    ):
        assert words in desk("viewer").get(page).content.decode()

    def busy(*_asked: Any) -> Any:
        raise limited_process.TooMuch

    monkeypatch.setattr(limited_process, "work", busy)
    assert "too long to compare" in desk("viewer").get(_to(here, "draft-version", letter.pk, number)).content.decode()


def test_the_history_says_who_changed_what_and_brings_it_back(here: House, desk: Desk, letter: Campaign) -> None:
    vera = here.people["admin"]
    autosave.save(letter, draft_of(letter).with_(body=body(head="At noon.")), version=1, by=vera, now=NOW)
    page = desk("viewer").get(_to(here, "history", letter.pk)).content.decode()
    assert "Vera" in page and "Clara" in page and "+" in page
    old = desk("editor").get(_to(here, "draft-version", letter.pk, 1)).content.decode()
    assert "<del>" in old and "Restore" in old
    assert "Restore" not in desk("viewer").get(_to(here, "draft-version", letter.pk, 1)).content.decode()
    desk("editor").post(_to(here, "restore-version", letter.pk, 1))
    letter.refresh_from_db()
    assert "The water came at four." in draft_of(letter).body and letter.version == 3
    assert desk("editor").get(_to(here, "draft-version", letter.pk, 77)).status_code == 404


def test_a_comment_stands_at_its_block_and_is_settled(here: House, desk: Desk, letter: Campaign) -> None:
    client = desk("editor")
    said = {"block": "head", "text": "Was it not five?"}
    client.post(_to(here, "comment", letter.pk), said)
    page = desk("viewer").get(_to(here, "campaign", letter.pk)).content.decode()
    assert "Was it not five?" in page and "1. The water came at four." in page and 'data-block="head"' in page
    (view,) = comments.comments(letter)
    part = client.post(_to(here, "resolve-comment", letter.pk, view.number), headers={"HX-Request": "true"})
    assert "Reopen" in part.content.decode() and "<html" not in part.content.decode()
    assert (
        "Write a comment first"
        in client.post(_to(here, "comment", letter.pk), {"text": " "}, follow=True).content.decode()
    )


def test_a_block_in_a_column_can_be_commented_on_too(here: House, desk: Desk, letter: Campaign) -> None:
    inner = {"type": "paragraph", "attrs": {"id": "inner1"}, "content": [{"type": "text", "text": "Left words"}]}
    empty = {"type": "column", "content": [{"type": "paragraph"}]}
    columns = {"type": "columns", "content": [{"type": "column", "content": [inner]}, empty]}
    body = json.dumps({"type": "doc", "content": [columns]})
    actions.save(letter, draft_of(letter).with_(body=body), version=letter.version, by=None, now=NOW)
    said = {"block": "inner1", "text": "Whose left?"}
    part = desk("editor").post(_to(here, "comment", letter.pk), said, headers={"HX-Request": "true"}).content.decode()
    assert "1.1.1. Left words" in part and 'data-block="inner1"' in part
    assert '<h2 class="sr" id="h-com" tabindex="-1" autofocus>' in part, "the keyboard goes on from the heading"


def test_a_preview_shows_what_is_typed_and_saves_nothing(here: House, desk: Desk, letter: Campaign) -> None:
    typed = answers(here, letter, body=body(head="Typed now <script>", tail="zz"), at="1")
    answer = desk("editor").post(_to(here, "preview-unsaved", letter.pk, "light"), typed)
    page = answer.content.decode()
    assert "Typed now &lt;script&gt;" in page and '<span id="here"></span>' in page and "zzhere" not in page
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    letter.refresh_from_db()
    assert letter.version == 1
    broken = desk("editor").post(_to(here, "preview-unsaved", letter.pk, "light"), typed | {"body": "{"})
    assert broken.status_code == 200 and "<script" not in broken.content.decode()


def test_the_way_of_writing_is_changed_by_a_button(here: House, desk: Desk, letter: Campaign) -> None:
    page = desk("editor").post(_to(here, "campaign", letter.pk), answers(here, letter, then="markdown"), follow=True)
    assert 'name="format" value="markdown"' in page.content.decode()
    letter.refresh_from_db()
    assert draft_of(letter).body == "The water came at four.\n\nYours\n"


DEEP = '{"type":"doc","content":[' * 3000
HOSTILE = {
    "no JSON": "Hello, I am no JSON",
    "cut off": body(head="Hello")[:-3],
    "nested": DEEP,
    "a list": "[1, 2]",
    "a number of 5,000 digits": '{"type":"doc","attrs":{"version":' + "9" * 5000 + "}}",
    "no number": '{"type":"doc","attrs":{"version":NaN}}',
    "no document": '{"type":"paragraph"}',
    "another version": '{"type":"doc","attrs":{"version":99}}',
    "an unknown block": '{"type":"doc","content":[{"type":"script"}]}',
    "no text": '{"type":"doc","content":[{"type":"html","attrs":{"source":null}}]}',
    "a block of lists": '{"type":"doc","content":[[[]], null, 1]}',
    "half a sign": '{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"\\ud800"}]}]}',
}


@pytest.mark.parametrize("hostile", [name for name in HOSTILE if name not in ("no text", "half a sign")])
def test_a_stored_letter_whose_blocks_are_none_is_not_switched(here: House, letter: Campaign, hostile: str) -> None:
    """Such as an older version of ours, or a file that was brought in, may have left."""
    letter.draft_sealed = sealed(letter, draft_of(letter).with_(body=HOSTILE[hostile]))
    letter.save(update_fields=["draft_sealed"])
    for to in ("markdown", "html"):
        with pytest.raises(CampaignError):
            convert_format.switch(letter, to, by=here.people["editor"], now=NOW)
    assert draft_of(letter).format == "blocks"


@pytest.mark.parametrize("to", ["markdown", "html"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_blocks_that_are_no_blocks_are_answered_with_a_sentence_and_nothing_is_lost(
    here: House, letter: Campaign, desk: Desk, hostile: str, to: str
) -> None:
    before = draft_of(letter)
    typed = answers(here, letter, body=HOSTILE[hostile], subject="Typed just now", then=to)
    page = desk("editor").post(_to(here, "campaign", letter.pk), typed, follow=True)
    assert page.status_code in (200, 422)
    letter.refresh_from_db()
    if page.status_code == 422:
        assert "Typed just now" in page.content.decode()
        assert draft_of(letter) == before
