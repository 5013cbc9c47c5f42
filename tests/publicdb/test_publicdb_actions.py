"""Publication may be repeated, and what is published names nobody."""

from datetime import date

import pytest
from django.db import connections

from samizdat import db
from samizdat.core.crypto import tokens
from samizdat.publicdb import actions, queries, safe_html
from samizdat.publicdb.models import Form, Intake, Page, PublicPicture, Site

pytestmark = pytest.mark.django_db
UID = bytes(range(16))
DAY = date(2026, 11, 26)


def place(**changes: object) -> Site:
    values: dict[str, object] = {
        "host": "",
        "name": "L",
        "language": "en",
        "accent": "#b3261e",
    }
    actions.publish_place(UID, **(values | changes))  # type: ignore[arg-type]
    return Site.objects.get(uid=UID)


def test_the_publicdb_has_the_tables_of_its_app_alone() -> None:
    tables = set(connections["publicdb"].introspection.table_names()) - {"django_migrations"}
    assert {name.partition("_")[0] for name in tables} == {"publicdb"}
    assert {app for app, _name in db.migrated("publicdb")} == {"publicdb"}


def test_publishing_twice_keeps_one_row_with_the_last_word() -> None:
    place()
    assert place(name="Lantern", host="Lantern.Example").host == "lantern.example"
    assert Site.objects.count() == 1
    for _ in range(2):
        actions.publish_letter(UID, 4, list_name="L", language="en", slug="s", title="T", html="<p>x", day=DAY)
    assert Page.objects.get().html == "<p>x</p>"


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "::1", "192.0.2.7", "desk.localhost"])
def test_this_machines_own_names_belong_to_nobody(host: str) -> None:
    assert place(host=host).host == ""


def test_a_list_has_one_form() -> None:
    place()
    actions.publish_form(UID, "old", list=3, name="L", purpose="", language="en")
    actions.publish_form(UID, "new", list=3, name="L", purpose="", language="en")
    assert [form.slug for form in Form.objects.all()] == ["new"]
    actions.withdraw_form(UID, 3)
    assert not Form.objects.exists()


def test_what_another_group_has_published_stays_its_own() -> None:
    """Names come along with an export, and an admin may make one up: of a form or a picture that readers trust."""
    other = bytes(range(1, 17))
    place()
    actions.publish_place(other, host="", name="B", language="en", accent="#b3261e")
    for uid, word in ((UID, "ours"), (other, "theirs"), (UID, "ours again")):
        actions.publish_form(uid, "thursday", list=3, name=word, purpose="", language="en")
        actions.publish_picture(uid, "boat", "png", word.encode())
        actions.publish_letter(uid, 4, list_name=word, language="en", slug="s", title=word, html="", day=DAY)
    assert [(form.place_id, form.name) for form in Form.objects.all()] == [(UID, "ours again")]
    assert [bytes(picture.data) for picture in PublicPicture.objects.all()] == [b"ours again"]
    assert [page.title for page in Page.objects.all()] == ["ours again"]
    assert queries.letter_name(Site.objects.get(uid=UID), 4).list_name == "ours again"  # type: ignore[union-attr]


def test_an_edition_without_a_web_copy_still_names_its_list() -> None:
    found = place()
    actions.publish_letter(UID, 4, list_name="Thursday", language="ru")
    assert queries.letter_name(found, 4).list_name == "Thursday"  # type: ignore[union-attr]
    assert not Page.objects.exists()


def test_a_token_has_one_state_however_it_is_spelled() -> None:
    token = tokens.make(tokens.LinkKey(1, bytes(32)), "leave", 4, 9)
    actions.set_token_state(token, "left")
    assert queries.token_state(token.upper() + "==") == "left"
    actions.set_token_state(token.upper(), "back")
    assert queries.token_state(token) == "back"


def test_what_readers_sent_stays_until_it_is_done_with() -> None:
    found = place()
    for box in (b"one", b"two", b"three"):
        actions.drop_in(found, box)
    first = actions.take_up(actions.next_rows(("",), 2))
    assert [bytes(row.box) for row in first] == [b"one", b"two"]
    assert actions.put_off([row.id for row in first]) == {row.id for row in first}
    assert [bytes(row.box) for row in actions.take_up(actions.next_rows(("",), 9))] == [b"three"]
    assert actions.rows_put_off(("",), 0, 9) == [row.id for row in first]
    actions.done_with([row.id for row in first])
    assert [bytes(row.box) for row in Intake.objects.all()] == [b"three"]


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("plain", "<p>plain</p>"),
        ("<b>a <i>b</b> c</i>", "<p><strong>a <em>b</em></strong> c</p>"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "<ul><li>a</li><li><ul><li>b</li></ul></li><li>c</li></ul>"),
        ("<blockquote><p>q</p></blockquote>", "<blockquote><p>q</p></blockquote>"),
        ("<li>lost", "<p>lost</p>"),
        ("<td>a<td>b", "<p>a</p>\f<p>b</p>"),
        ('<a href="mailto:x@y.example">w</a>', '<p><a href="mailto:x@y.example">w</a></p>'),
        ('<a href="https://x.example/"><b>w</b></a>', '<p><a href="https://x.example/"><strong>w</strong></a></p>'),
        ("<a href='https://x.example/\"onclick=\"x'>w</a>", "<p>w</p>"),
        ("<svg><a href='https://x'>s</a></svg>t", None),
        ("&lt;script&gt;", "<p>&lt;script&gt;</p>"),
        ("<pre>a\n b</pre>", "<pre>a\n b</pre>"),
        ("<p>\u200b \u034f&nbsp;</p>", ""),
        ("", ""),
    ],
)
def test_a_letter_is_written_anew_from_few_elements(html: str, wanted: str | None) -> None:
    text = safe_html.reduce(html)
    assert "<svg" not in text
    assert wanted is None or text == wanted


def test_a_long_letter_is_cut_into_pages_and_loses_nothing() -> None:
    words = [f"word{number}" for number in range(4000)]
    text = safe_html.reduce(f"<p>{' '.join(words)}</p>")
    pages = safe_html.pages(text, 7000)
    assert len(pages) > 3
    assert all(len(page.encode()) <= 7000 for page in pages)
    assert [word for page in pages for word in page.replace("<p>", " ").replace("</p>", " ").split()] == words
