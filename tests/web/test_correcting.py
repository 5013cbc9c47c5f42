"""A slip mended on the web copy: in text and links, never in markup, and never in what was sent."""

import pytest

from samizdat.accounts import pending_changes
from samizdat.accounts.sealed_settings import keep_settings
from samizdat.campaigns.archive.web_corrections import NoCorrection, correct, corrections
from samizdat.campaigns.models import Campaign, Correction, Edition
from samizdat.core.content.corrections import MOST_GROWTH, corrected
from samizdat.delivery.actions import release
from samizdat.publicdb.models import Page
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign
from tests.web.test_release import Desk, _to, leave_to_one
from tests.web_copies import web_copy_of


@pytest.mark.parametrize(
    ("page", "wrong", "right", "now", "places"),
    [
        ("<p>teh river</p>", "teh", "the", "<p>the river</p>", 1),
        ("<p>teh\n  river &amp; sea</p>", "teh river & sea", "A & B", "<p>A &amp; B</p>", 1),
        ('<a href="http://x/?a=1&amp;b=2">x</a>', "http://x/?a=1&b=2", "https://y/", '<a href="https://y/">x</a>', 1),
        ('<p class="red">red</p>', "red", "blue", '<p class="red">blue</p>', 1),
        ("<style>p{color:red}</style><p>x</p>", "red", "blue", "<style>p{color:red}</style><p>x</p>", 0),
        ("<p>a</p>", "a", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>", 1),
        ('<img alt="teh sea" src="teh.png">', "teh", 'a"b', '<img alt="a&quot;b sea" src="teh.png">', 1),
        ("<p>te<b>h</b></p>", "teh", "the", "<p>te<b>h</b></p>", 0),
        ("<pre>a\n  b\n\tteh  sea\n</pre>", "teh sea", "the sea", "<pre>a\n  b\n\tthe sea\n</pre>", 1),
        ('<p>"teh" &lt;sea&gt;</p>', "teh", "the", '<p>"the" &lt;sea&gt;</p>', 1),
    ],
)  # fmt: skip
def test_a_piece_is_mended_where_readers_see_it(page: str, wrong: str, right: str, now: str, places: int) -> None:
    copy = corrected("", page, [(wrong, right)])
    assert (copy.page, copy.places) == (now, places)


def test_corrections_follow_each_other_in_title_and_text() -> None:
    copy = corrected("teh rivr", "<p>teh  rivr</p>", [("teh", "the"), ("the rivr", "the river"), ("sea", "x")])
    assert (copy.title, copy.page, copy.places) == ("the river", "<p>the river</p>", 0)


def test_a_correction_of_everywhere_that_grows_the_page_without_end_is_left_out() -> None:
    page = "<p>" + "a" * (MOST_GROWTH // 100) + "</p>"
    copy = corrected("", page, [("a", "aa"), ("a", "a" * 200)])
    assert copy.too_long and len(copy.page) == len(page) + MOST_GROWTH // 100
    assert not corrected("", page, [("a", "a" * 200), ("a", "b")]).too_long


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_the_web_copy_says_that_it_was_corrected_and_the_edition_stays(here: House, desk: Desk) -> None:
    letter = make_campaign(here, "What the rivr took")
    release(letter, now=NOW, by=here.people["editor"])
    leave_to_one(letter)
    sent = bytes(Edition.objects.get(campaign=letter).compiled_sealed)
    while event_handlers.follow(NOW):
        pass
    page = Page.objects.get(edition=letter.edition.pk)
    assert page.title == "What the rivr took" and page.corrected is None
    assert correct(letter, "rivr", "river", by=here.people["editor"], now=NOW) >= 1
    while event_handlers.follow(NOW):
        pass
    page.refresh_from_db()
    assert page.title == "What the river took" and page.corrected == NOW.date()
    assert bytes(Edition.objects.get(campaign=letter).compiled_sealed) == sent
    shown = desk("viewer").get(_to(here, "correct-campaign", letter.pk)).content.decode()
    assert "rivr" in shown and "Clara" in shown
    answer = desk("editor").post(_to(here, "correct-campaign", letter.pk), {"wrong": "nowhere", "right": ""})
    assert answer.status_code == 422 and 'id="f-wrong_error"' in answer.content.decode()
    assert [(slip.text.wrong, slip.text.right) for slip in corrections(letter.edition)] == [("rivr", "river")]


@pytest.mark.parametrize(
    ("wrong", "right", "field"),
    [("nowhere on the page", "x", "wrong"), ("took", "took", "wrong"), ("took", "javascript:alert(1)", "right")],
)
def test_what_cannot_be_mended_is_a_sentence(here: House, wrong: str, right: str, field: str) -> None:
    Campaign.objects.filter(pk=here.sent.pk).update(state="finished", pending=0, accepted=1)
    here.sent.refresh_from_db()
    with pytest.raises(NoCorrection) as refused:
        correct(here.sent, wrong, right, by=None, now=NOW)
    assert refused.value.field == field
    with pytest.raises(NoCorrection):
        correct(here.campaign, "river", "x", by=None, now=NOW)


def test_where_two_people_release_one_alone_rewrites_no_letter(here: House, desk: Desk) -> None:
    Campaign.objects.filter(pk=here.sent.pk).update(state="finished", pending=0, accepted=1)
    here.organization.requires_approval = True
    here.organization.save(update_fields=["requires_approval"])
    keep_settings(here.organization, {"requires_approval": True})
    page = _to(here, "correct-campaign", here.sent.pk)
    slip = {"wrong": "the water came", "right": "confirm at https://evil.example"}
    shown = desk("editor").post(page, slip, follow=True).content.decode()
    assert "Waiting for another admin" in shown and "evil.example" in shown
    assert not corrections(here.sent.edition)
    row = pending_changes.waiting(here.organization).get()
    desk("admin").post(_to(here, "decide-change", row.pk), {"answer": "stop"})
    assert not corrections(here.sent.edition)
    desk("editor").post(page, slip | {"right": "Good day"})
    row = pending_changes.waiting(here.organization).get()
    answer = desk("admin").post(_to(here, "decide-change", row.pk), {"answer": "approve"}, follow=True)
    assert "Approved and done" in answer.content.decode()
    assert [(one.text.right, one.by) for one in corrections(here.sent.edition)] == [("Good day", here.people["editor"])]


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_a_correction_is_of_its_letter_whatever_the_database_says(here: House) -> None:
    letters = [make_campaign(here, "What the rivr took") for _ in range(2)]
    for letter in letters:
        release(letter, now=NOW, by=here.people["editor"])
        leave_to_one(letter)
    one, other = letters
    correct(one, "rivr", "river", by=here.people["editor"], now=NOW)
    Correction.objects.update(edition=other.edition)
    assert corrections(other.edition) == []
    assert web_copy_of(other.edition)[0] == "What the rivr took"
