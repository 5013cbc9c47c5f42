"""What the public pages show is what the house published: of a row that somebody else wrote nothing is shown."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from samizdat.core.crypto import signature, tokens
from samizdat.publicdb import actions, queries, signed_rows
from samizdat.publicdb.models import Intake, Page, PublicPicture, SignedRow, Site, TokenState

pytestmark = pytest.mark.django_db
UID, OTHER_UID = bytes(range(16)), bytes(range(1, 17))
KEY = tokens.LinkKey(77, bytes(range(32)))
CODE, TOKEN = tokens.make(KEY, "click", 4, 0), tokens.make(KEY, "leave", 4, 9)
DAY, NOW = date(2026, 11, 26), datetime(2026, 11, 26, 12, tzinfo=UTC)
SECRET = "s" * 26
SIGNED = [model for model in apps.get_app_config("publicdb").get_models() if model is not Intake]


@pytest.fixture
def shown() -> Site:
    """A letter with all that a house publishes around it, and another organization."""
    for uid, host in ((UID, "lantern.example"), (OTHER_UID, "other.example")):
        actions.publish_place(uid, host=host, name="Lantern", language="en", accent="#b3261e")
    actions.publish_form(UID, "thursday", list=3, name="Thursday", purpose="Stories.", language="en")
    letter: dict[str, Any] = {"list_name": "Thursday", "language": "en", "html": "<p>Words</p>", "day": DAY}
    actions.publish_letter(UID, 4, slug="words", title="Words", **letter)
    actions.publish_letter(UID, 4, slug="slova", title="Слова", spoken="ru", version=1, **letter)
    actions.publish_picture(UID, "a1b2c3d4", "png", b"\x89PNG")
    actions.publish_targets(UID, {CODE: {"to": "https://paper.example/"}}, tokens.target_key(KEY))
    actions.set_token_state(TOKEN, "back")
    actions.lay_out(UID, SECRET, "theirs", hours=1, now=NOW, nonce=bytes(12))
    return Site.objects.get(uid=UID)


LOOKS: dict[str, Callable[[Site], object]] = {
    "the group of a host": lambda place: queries.place_of_host("lantern.example"),
    "a group": lambda place: queries.place(UID),
    "a form": lambda place: queries.form("thursday", "lantern.example"),
    "the form of a list": lambda place: queries.form_of_list(place, 3),
    "all forms": queries.forms,
    "a letter": lambda place: queries.letter("words", "lantern.example"),
    "its other languages": lambda place: queries.other_languages(Page(pk="words", place=place, edition=4)),
    "the archive": lambda place: queries.letters(place, 0)[0],
    "the whole archive": lambda place: [*queries.all_letters(place)],
    "how many letters": queries.count_letters,
    "the list of a letter": lambda place: queries.letter_name(place, 4),
    "a picture": lambda place: queries.picture("a1b2c3d4", "png", "lantern.example"),
    "a picture of a group": lambda place: queries.picture_of(place, "a1b2c3d4"),
    "what became of a link": lambda place: queries.token_state(TOKEN),
    "what one reader asked to see": lambda place: queries.sheet(place, SECRET, NOW),
    "where a link leads": lambda place: queries.target(CODE, "lantern.example", tokens.target_key(KEY)),
}


def _other(field: "models.Field[Any, Any]", row: SignedRow) -> object:
    value = getattr(row, field.attname)
    if field.attname == "place_id":
        return OTHER_UID
    if isinstance(value, bytes | memoryview):
        return bytes(value)[:-1] + bytes([bytes(value)[-1] ^ 1])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "evil"[: field.max_length] if value != "evil" else "ill"
    return datetime(2030, 1, 1, tzinfo=UTC) if isinstance(field, models.DateTimeField) else date(2030, 1, 1)


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("model", SIGNED)
def test_a_row_with_any_of_its_columns_changed_is_none_of_ours(model: type[SignedRow]) -> None:
    """On the disk and back, with values as this database has them."""
    columns = [field for field in model._meta.concrete_fields if not field.primary_key]
    for key in model._default_manager.values_list("pk", flat=True):
        rows = model._default_manager.filter(pk=key)
        kept: Any = rows.values().get()
        assert signed_rows.is_ours(rows.get())
        for field in columns:
            changed: dict[str, Any] = {field.attname: _other(field, rows.get())}
            rows.update(**changed)
            assert not signed_rows.is_ours(rows.get()), field.name
            rows.update(**{**changed, field.attname: kept[field.attname]})
        assert signed_rows.is_ours(rows.get())
        row = rows.get()
        row.pk = _other(model._meta.pk, row)
        assert not signed_rows.is_ours(row), "nor under another name"


@pytest.mark.parametrize("looks", LOOKS)
def test_nothing_is_shown_that_the_house_did_not_sign(shown: Site, looks: str) -> None:
    assert LOOKS[looks](shown)
    for model in SIGNED:
        model._default_manager.update(signature=bytes(64))
    assert not LOOKS[looks](shown)


@pytest.mark.usefixtures("shown")
def test_a_key_that_became_another_one_is_asked_for_and_not_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    page, asked = Page.objects.get(pk="words"), list[str]()
    present = signature.public_key(signed_rows._seed())

    def again() -> bytes | None:
        asked.append("")
        return present if len(asked) > 1 else None

    for name in ("_public", "_again", "_asked"):
        monkeypatch.setattr(signed_rows, name, getattr(signed_rows, name))
    signed_rows.check_by(signature.public_key(bytes(32)), again)
    assert not signed_rows.is_ours(page), "who gives it is away"
    assert not signed_rows.is_ours(page) and len(asked) == 1
    monkeypatch.setattr(signed_rows, "PAUSE", 0.0)
    assert signed_rows.is_ours(page)
    page.title = "evil"
    assert not signed_rows.is_ours(page)


@pytest.mark.usefixtures("shown")
def test_a_value_of_another_kind_is_none_of_ours() -> None:
    """SQLite keeps any; a number of bytes would take as much memory."""
    for column, value in (("signature", 1 << 40), ("html", b"\xff"), ("html_digest", 7), ("title", b"evil")):
        page = Page.objects.get(pk="words")
        setattr(page, column, value)
        assert not signed_rows.is_ours(page)
    picture = PublicPicture.objects.get()
    picture.data = "evil"  # type: ignore[assignment]
    assert not signed_rows.is_ours(picture)


def test_nothing_is_shown_of_a_group_that_somebody_else_wrote(shown: Site) -> None:
    Site.objects.filter(uid=UID).update(name="Another")
    of_host = ("the group of a host", "a group", "a form", "the form of a list", "a letter", "a picture")
    assert not any(LOOKS[looks](shown) for looks in (*of_host, "where a link leads"))


def test_what_somebody_else_wrote_beside_ours_is_passed_over(shown: Site) -> None:
    """A group on our host, and without one."""
    Site.objects.create(uid=bytes(16), host="lantern.example", name="Another", language="en", accent="")
    assert queries.place_of_host("lantern.example") == shown
    actions.publish_place(UID, host="", name="Lantern", language="en", accent="#b3261e")
    Site.objects.filter(uid=bytes(16)).update(host="")
    assert queries.place_of_host("elsewhere.example") == shown


def test_a_list_of_letters_is_shown_without_their_texts(shown: Site) -> None:
    (page,) = queries.letters(shown, 0)[0]
    assert "html" in page.get_deferred_fields()


def test_what_the_house_publishes_stands_over_what_somebody_else_wrote(shown: Site) -> None:
    Page.objects.create(slug="mine", place_id=OTHER_UID, edition=7, title="Evil", html="evil", day=DAY)
    PublicPicture.objects.filter(slug="a1b2c3d4").update(place_id=OTHER_UID, data=b"evil")
    actions.publish_letter(
        UID, 8, list_name="Thursday", language="en", slug="mine", title="Ours", html="<p>x</p>", day=DAY
    )
    actions.publish_picture(UID, "a1b2c3d4", "png", b"\x89PNG")
    page, picture = queries.letter("mine", "lantern.example"), queries.picture_of(shown, "a1b2c3d4")
    assert page and picture and (page.title, bytes(picture.data)) == ("Ours", b"\x89PNG")


def test_nothing_that_somebody_else_wrote_is_signed_with_the_next_change(shown: Site) -> None:
    Page.objects.update(title="Evil")
    actions.list_letter(4, listed=False)
    TokenState.objects.update(state="asked-erase")
    actions.forget_tokens([TOKEN])
    Site.objects.update(name="Evil")
    kept_as_it_is: dict[str, Any] = {"name": None, "language": None, "unsubscribe_mailbox": None}
    actions.publish_place(UID, host="lantern.example", accent="#b3261e", **kept_as_it_is)
    assert queries.letter("words", "lantern.example") is None and queries.token_state(TOKEN) == ""
    place = queries.place(UID)
    assert place and place.name == ""


def test_a_letter_is_taken_out_of_the_archive_in_all_languages(shown: Site) -> None:
    actions.list_letter(4, listed=False)
    assert sorted(queries.unlisted(shown)) == ["slova", "words"] and queries.count_letters(shown) == 0
