"""How letters look is chosen once, sealed, and holds in every template."""

from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.audience.actions import new_list
from samizdat.campaigns import actions, brand
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import BrandRefused
from samizdat.campaigns.media.library import uses
from samizdat.campaigns.models import Brand as Row
from samizdat.campaigns.models import Picture
from samizdat.campaigns.templates.starter_templates import NAMES, body_of
from samizdat.core.content.render import fill, render
from tests.conftest import NOW
from tests.core.blocks import content

pytestmark = pytest.mark.django_db

OURS = brand.BrandSettings(
    text="#202020",
    paper="#ffffff",
    link="#7a1f5c",
    button="#7a1f5c",
    heading_font="arial",
    footer="Printed in Riga",
    warning="Do not give from Belarus.",
)


def test_what_was_chosen_is_sealed_and_stands_in_every_letter(lantern: Any) -> None:
    logo = Picture.objects.create(
        organization=lantern, slug="ef" * 12, kind="png", width=400, height=90, sealed=b"", created=NOW
    )
    brand.keep(lantern, replace(OURS, logo=logo.slug, logo_width=120), by=None, now=NOW)
    assert b"Riga" not in bytes(Row.objects.get().sealed)
    assert [use.name for use in uses(lantern, [logo.slug])[logo.slug]] == ["Branding"]
    list_ = new_list(lantern, "Letter", now=NOW)
    for format_, body in (("markdown", "Hello [x](https://lantern.example/a)"), ("blocks", body_of("appeal", "en"))):
        draft = Draft(subject="News", from_email="letter@lantern.example", body=body, format=format_)
        made = fill(proof_of(actions.create(lantern, list_, draft, by=None, now=NOW), NOW).letter.html, {})
        assert f"/m/{logo.slug}.png" in made
        assert "Printed in Riga" in made
        assert "#7a1f5c" in made
        assert "Arial" in made
        assert "#33479a;" not in made.replace("outline: 3px solid #33479a;", "")
    assert "Do not give from Belarus." in made


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "#cccccc"}, "text"),
        ({"link": "#ffff00"}, "link"),
        ({"button": "#fefefe"}, "button"),
        ({"paper": "red"}, "paper"),
        ({"logo": "nowhere"}, "logo"),
        ({"text_font": "comic"}, "text_font"),
    ],
)
def test_what_cannot_be_read_or_fetched_is_refused(lantern: Any, change: dict[str, Any], field: str) -> None:
    with pytest.raises(BrandRefused) as refused:
        brand.keep(lantern, replace(OURS, **change), by=None, now=NOW)
    assert refused.value.field == field
    assert brand.brand_of(lantern) == brand.USUAL


def test_letters_to_begin_with_are_light_and_lack_nothing_but_what_the_writer_knows() -> None:
    for name in NAMES:
        for language in ("en", "ru"):
            letter = render(content(body_of(name, language), language=language), now=NOW)
            assert len(fill(letter.html, {}).encode()) <= 30 * 1024
            left = {"picture_none", "button_empty", "link_empty", "names_reader"}
            assert {flaw.code for flaw in letter.flaws} <= left
