"""The library at the desk: several files at once, words, search, cuts, and a picture's way into a letter and out."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Picture
from tests.web.conftest import House, make_campaign, make_picture, png

pytestmark = pytest.mark.django_db

Desk = Callable[[str], Client]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of another test have the same numbers."""
    monkeypatch.setattr(library, "_known", {})


def _to(here: House, name: str, *args: Any) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _file(name: str, data: bytes = b"") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or png())


def test_of_several_files_the_good_ones_come_in_and_each_of_the_others_gets_its_sentence(
    here: House, desk: Desk
) -> None:
    client = desk("editor")
    files = [_file("River.png"), _file("plan.png", b"<svg/>"), _file("large.png", b"x" * (10 * 1024 * 1024 + 1))]
    page = client.post(_to(here, "add-pictures"), {"pictures": [*files, _file("bridge.png")]}, follow=True)
    page_text = page.content.decode()
    assert "2 images uploaded, without location, camera and author" in page_text
    assert "plan.png: SVG images can contain scripts" in page_text
    assert "large.png: The image is larger than 10 MB" in page_text
    names = [view.facts.name for view in library.library(here.organization)[0]]
    assert names[:2] == ["bridge", "River"]


def test_the_page_says_how_much_pictures_take_and_what_to_do_where_no_more_may(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = desk("editor")
    assert "Images, templates and campaigns use 0 of 2,000 MB." in client.get(_to(here, "media")).content.decode()
    monkeypatch.setenv("SAMIZDAT_STORAGE", "0")
    page = client.post(_to(here, "add-pictures"), {"pictures": [_file("River.png")]}, follow=True).content.decode()
    assert "River.png: Images, templates and campaigns use 0 of 0 MB" in page
    assert "or ask your server admin for more space" in page


def test_a_script_gets_what_came_in_as_json_and_lists_the_library(here: House, desk: Desk) -> None:
    client = desk("editor")
    answer = client.post(
        _to(here, "add-pictures"),
        {"pictures": [_file("River.png"), _file("no.png", b"no")]},
        headers={"Accept": "application/json"},
    ).json()
    assert [one["name"] for one in answer["pictures"]] == ["River"]
    assert [one["name"] for one in answer["refused"]] == ["no.png"]
    [found] = client.get(_to(here, "media-list"), {"q": "riv"}).json()["pictures"]
    assert found["url"] == f"https://lantern.example/m/{found['slug']}.png"
    assert (found["width"], found["height"], found["alt"]) == (8, 6, "")
    assert client.get(found["thumb"]).headers["Content-Type"] == "image/webp"


def test_a_description_is_asked_for_until_somebody_gives_one_or_says_it_is_decoration(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "media-item", here.picture.slug)
    assert 'id="describe"' in client.get(_to(here, "media")).content.decode()
    assert client.post(page, {"name": "River", "alt": " "}).status_code == 422
    client.post(page, {"name": "River", "alt": "A boat on the river", "then": "library"})
    assert 'id="describe"' not in client.get(_to(here, "media")).content.decode()
    assert 'alt="A boat on the river"' in client.get(_to(here, "media"), {"q": "boat"}).content.decode()
    assert "No images found" in client.get(_to(here, "media"), {"q": "bridge"}).content.decode()


def test_a_cut_by_shape_or_by_numbers_says_what_it_weighs(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "crop-picture", here.picture.slug)
    form = {"shape": "square", "focus": "right", "width": 600, "kind": "jpeg", "quality": 50}
    answer = client.post(page, form, follow=True)
    made = Picture.objects.order_by("-pk")[0]
    assert (made.kind, made.width, made.height) == ("jpeg", 6, 6)
    assert "Created: 1 kB before, 1 kB now." in answer.content.decode()
    numbers = form | {"shape": "numbers", "left": 2, "top": 1, "across": 4, "down": 3}
    client.post(page, numbers)
    made = Picture.objects.order_by("-pk")[0]
    assert (made.width, made.height) == (4, 3)
    for wrong in (numbers | {"across": 40}, numbers | {"left": ""}, form | {"width": 5000}):
        assert client.post(page, wrong).status_code == 422


def test_a_picture_is_put_into_a_draft_of_any_format_and_removed_only_knowingly_once_that_was_sent(
    here: House, desk: Desk
) -> None:
    from samizdat.campaigns.actions import save
    from samizdat.delivery import actions as delivery
    from tests.conftest import NOW

    client, by = desk("editor"), here.people["editor"]
    picture = make_picture(here.organization)
    library.describe(picture, name="R", alt='A [boat] & a "net"', plain=False, now=NOW)
    bodies = {"markdown": "Hello", "html": "<html><body><p>Hello</p></body></html>", "blocks": '{"type":"doc"}'}
    for format, body in bodies.items():
        letter = make_campaign(here, format)
        save(letter, draft_of(letter).with_(format=format, body=body), version=letter.version, by=by, now=NOW)
        client.post(_to(here, "insert-picture", letter.pk, picture.slug))
        letter.refresh_from_db()
        assert picture.slug in draft_of(letter).body
        shown = client.get(_to(here, "preview", letter.pk, "off")).content.decode()
        assert 'aria-label="A [boat] &amp; a &quot;net&quot;"' in shown
    uses = library.uses(here.organization, [picture.slug])[picture.slug]
    assert [use.name for use in uses] == ["blocks", "html", "markdown"]
    page = client.get(_to(here, "remove-picture", picture.slug)).content.decode()
    assert "These use the image and will have an empty space instead" in page
    delivery.release(letter, now=NOW, by=by)
    client.post(_to(here, "remove-picture", picture.slug))
    assert Picture.objects.filter(pk=picture.pk).exists()
    client.post(_to(here, "remove-picture", picture.slug), {"also": "on"})
    assert not Picture.objects.filter(pk=picture.pk).exists()
