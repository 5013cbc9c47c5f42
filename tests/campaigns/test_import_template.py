"""Templates of other services come in, lose what cannot be in a letter, and say so."""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from samizdat.accounts.actions import change_settings
from samizdat.audience.actions import new_list
from samizdat.campaigns import actions, approval
from samizdat.campaigns.content import findings, proof_of
from samizdat.campaigns.drafts import autosave, revisions
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile
from samizdat.campaigns.media import library
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.templates import (
    import_template,
    layout,
    layout_store,
    region_diff,
    region_editor,
    region_names,
    starter_templates,
)
from samizdat.campaigns.templates.layout_store import arrangement_of
from samizdat.core.content.blocks import dumps, parse
from samizdat.core.content.blocks.merge_versions import numbered_body
from samizdat.core.content.render import fill
from samizdat.core.content.templates.import_template import take
from samizdat.core.content.templates.layout import LayoutChanges, WrittenRegion, parts_of
from samizdat.core.content.templates.notes import TemplateRefused
from tests.conftest import NOW
from tests.web.conftest import make_person, png

PAGE = """<html><head><style>.b{color:#123456}@font-face{font-family:x;src:url(//f.example/x)}</style>
<link rel="stylesheet" href="//f.example/x.css"></head><body onload="go()"><table><tr>
<td mc:edit="header_image"><h2>Our head</h2></td></tr><tr><td class="b" mc:edit="body_content00" mc:label="main">
<p>Sample *|FNAME|*</p></td></tr><tr mc:repeatable="side" mc:variant="left"><td mc:edit="story">one</td></tr>
<tr mc:repeatable="side" mc:variant="right"><td><b>two</b></td></tr><tr mc:hideable="news"><td>
<p mc:edit="latest">News</p></td></tr><tr mc:hideable="foot"><td mc:hideable>
<a href="*|FORWARD|*">forward</a> <!-- *|IFNOT:ARCHIVE_PAGE|* --><a href="*|UNSUB|*">leave</a><!-- *|END:IF|* -->
*|NONSENSE|*
<script>alert(1)</script><form action="/x"><input name="q"></form><iframe src="//e.example"></iframe>
<img src="https://spy.example/p.gif" width="1" height="1"><img src="data:image/png;base64,AAAA" alt="x">
</td></tr></table></body></html>"""


HEADING = '{"type":"doc","content":[{"type":"heading","content":[{"type":"text","text":"Head 2"}]}]}'


def codes(data: str | bytes) -> dict[str, dict[str, str]]:
    taken = take(data.encode() if isinstance(data, str) else data, ["FNAME"])
    return {note.code: dict(note.values) for note in taken.notes}


def test_what_is_taken_out_of_a_template_is_said_and_every_tag_is_accounted_for() -> None:
    taken = take(PAGE.encode(), ["FNAME"])
    said = {note.code for note in taken.notes}
    assert said == {"note_taken_out", "note_pixel", "note_data", "note_remote", "note_repeat", "note_hide",
                    "note_tags", "note_place"}  # fmt: skip
    out = [note.values["what"] for note in taken.notes if note.code == "note_taken_out"]
    assert out == ["<script>", "<iframe>", "<form>", "<input>", "onload"]
    tags = {told.written: told.flaw.code if told.flaw else "" for told in taken.tags}
    assert tags["*|FNAME|*"] == tags["*|UNSUB|*"] == tags["*|IFNOT:ARCHIVE_PAGE|*"] == ""
    assert tags["*|FORWARD|*"] == "tag_forward"
    assert tags["*|NONSENSE|*"].startswith("tag_unknown")
    assert taken.sample == "<p>Sample *|FNAME|*</p>"
    assert taken.places == ("header_image", "story", "latest")
    for gone in ("script", "iframe", "<form", "spy.example", "data:", "f.example", "mc:", "FORWARD"):
        assert gone not in taken.source
    assert "{{ content }}" in taken.source


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"x" * (5 * 1024 * 1024 + 1), "template_file"),
        (b"<p>" + b"word " * 70_000 + b"</p>", "template_long"),
        (b"<div>" * 1_000 + b"x" + b"</div>" * 1_000, "template_deep"),
        (b"\x89PNG\r\n", "template_no_html"),
        (b"", "template_empty"),
    ],
)
def test_a_file_that_cannot_become_a_template_is_refused_with_a_sentence(data: bytes, code: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        take(data)
    assert refused.value.code == code
    assert "%(" not in str(refused.value)


def test_odd_files_come_in_all_the_same() -> None:
    assert "note_unread" in codes(b"<p>caf\xe9 \xff</p>")
    old = '<html><head><meta charset="windows-1251"></head><body><p>\u0412\u043e\u0434\u0430</p></body></html>'
    assert "\u0412\u043e\u0434\u0430" in take(old.encode("cp1251")).sample
    assert "\u0412\u043e\u0434\u0430" in take(old.encode("utf-16")).sample
    assert "note_guess" in codes("<div><p>unclosed <b>all {% if FNAME %} of it")
    assert len(take(b"<img src='data:image/png;base64," + b"A" * 3_000_000 + b"'><p>x</p>").source) < 200
    assert take(b"<body><p>a</p>{{ content }}</body>").sample == ""
    assert take(b"<p>x</p>" + b"<!--place:a " * 20_000).sample.startswith("<p>x</p>"), "in a moment, not in 15 s"


@pytest.mark.django_db
def test_a_letter_in_a_foreign_template_begins_with_its_sample_and_fills_its_places(lantern: Any) -> None:
    report = import_template.take_in(lantern, "Old one", PAGE.encode(), by=None, now=NOW)
    assert b"Our head" not in bytes(report.template.sealed)
    begun, template = starter_templates.begun(
        lantern, str(report.template.pk), "en", Draft(from_email="a@lantern.example")
    )
    assert (begun.format, template) == ("blocks", report.template)
    list_ = new_list(lantern, "Letter", now=NOW)
    letter = actions.create(lantern, list_, begun, by=None, now=NOW, template=report.template)
    first = fill(proof_of(letter, NOW).letter.html, {})
    assert "Our head" in first
    assert "Sample" in first
    layout.write(letter, "header_image", WrittenRegion("<h2>Mine</h2><script>x</script>"), now=NOW)
    mine = fill(proof_of(letter, NOW).letter.html, {})
    assert "Mine" in mine
    assert "Our head" not in mine
    assert "<script" not in mine
    assert "Mine" in fill(proof_of(copy(letter, by=None, now=NOW), NOW).letter.html, {})
    blocks = begun.with_(format="blocks", body=starter_templates.body_of("digest", "en"))
    actions.save(letter, blocks, version=letter.version, by=None, now=NOW)
    assert "Headline of the main story" in fill(proof_of(letter, NOW).letter.html, {})
    layout.write(letter, "header_image", None, now=NOW)
    assert layout.place(letter, "header_image").own is None
    with pytest.raises(CampaignError, match="The template of this campaign no longer has this block"):
        layout.write(letter, "elsewhere", WrittenRegion("x"), now=NOW)


@pytest.mark.django_db
def test_parts_are_repeated_moved_left_out_and_written_in_blocks(lantern: Any) -> None:
    template = import_template.take_in(lantern, "Old one", PAGE.encode(), by=None, now=NOW).template
    list_ = new_list(lantern, "Letter", now=NOW)
    letter = actions.create(lantern, list_, Draft(body="<p>x</p>", format="html"), by=None, now=NOW, template=template)

    def seen() -> str:
        words = fill(proof_of(letter, NOW).letter.text, {})
        return " ".join(word for word in ("one", "two", "Mine", "News", "Head 2") if word in words)

    assert seen() == "one News"
    layout.add(letter, "side", 1, now=NOW)
    layout.write(letter, "side/0/story", WrittenRegion("Mine"), now=NOW)
    assert seen() == "two Mine News"
    layout.arrange(letter, "side", "0", "copy", now=NOW)
    layout.arrange(letter, "side", "2", "down", now=NOW)
    assert [(copy.id, copy.variant) for copy in layout.parts(letter)[1].copies] == [
        ("0", "left"), ("1", "right"), ("2", "left"),
    ]  # fmt: skip
    layout.arrange(letter, "side", "0", "remove", now=NOW)
    assert layout.place(letter, "side/2/story").own == WrittenRegion("Mine")
    assert layout.place(letter, "side/0/story") is None
    layout.hide(letter, "news", True, now=NOW)
    region_editor.write(letter, "side/2/story", "blocks", HEADING, now=NOW)
    assert seen() == "two Head 2"
    assert region_editor.blocks_of(layout.place(letter, "side/2/story")).body == dumps(parse(numbered_body(HEADING)))
    with pytest.raises(CampaignError, match="A colleague deleted this block while you were editing"):
        layout.arrange(letter, "side", "0", "copy", now=NOW)
    import_template.rename(template, "Other name", by=None, now=NOW)
    assert [subject for _letter, subject in import_template.drafts_in(template)] == [""]
    import_template.remove(template, by=None, now=NOW)
    letter.refresh_from_db()
    assert letter.template is None
    assert "Head 2" not in fill(proof_of(letter, NOW).letter.html, {})


PICTURES = """<html><body><table width="600"><tr><td><a href="https://old.example/"><img mc:edit="header_image"
 src="https://old.example/a.png" width="560" height="90" style="display:block;height:90px" alt="Old"></a></td></tr>
<tr mc:repeatable="article"><td mc:edit="x1_00"><img src="https://old.example/b.png" style="max-width:260px"></td>
<td><h3 mc:edit="x1_01">Dear readers of this letter, hello</h3></td></tr>
<tr><td mc:edit="body"><p class="p">Body</p></td></tr></table></body></html>"""
NEW = '{"type":"doc","content":[{"type":"picture","attrs":{"src":"%s","alt":"River","link":"https://new.example/","width":560}}]}'


@pytest.mark.django_db
def test_where_the_template_has_a_picture_one_is_chosen_and_parts_have_names_that_people_know(lantern: Any) -> None:
    template = import_template.take_in(lantern, "Old one", PICTURES.encode(), by=None, now=NOW).template
    assert layout.outline(template) == [
        "Image (header): Old", "Repeatable block: Article", "Image", "Text: Dear readers of this letter,…",
    ]  # fmt: skip
    draft, _template = starter_templates.begun(lantern, str(template.pk), "en", Draft())
    letter = actions.create(lantern, new_list(lantern, "L", now=NOW), draft, by=None, now=NOW, template=template)
    head = layout.place(letter, "header_image")
    begun = region_editor.blocks_of(head)
    assert (head.is_picture, begun.fits, begun.kept) == (True, True, False)
    assert '"link":"https://old.example/","width":560' in begun.body
    stored = library.take_in(lantern, png(), NOW, name="River")
    region_editor.write(letter, "header_image", "blocks", NEW % stored.slug, now=NOW)
    seen = fill(proof_of(letter, NOW).letter.html, {})
    image = re.search(r'<a href="https://new.example/"[^>]*>(<img[^>]*>)</a>', seen)
    assert image is not None
    assert (
        'width="560"' in image[1] and 'alt="River"' in image[1] and "display" in image[1] and "height" not in image[1]
    )
    assert "old.example/a.png" not in seen
    assert layout.place(letter, "header_image").picture == stored.slug
    assert re.search(r'<p class="p"[^>]*>Body</p>', seen)
    with pytest.raises(CampaignError, match="This area of the template only takes text and images"):
        region_editor.write(letter, "article/0/x1_01", "blocks", HEADING, now=NOW)


def doc(*lines: tuple[str, str]) -> str:
    return json.dumps({"type": "doc", "content": [
        {"type": "paragraph", "attrs": {"id": name}, "content": [{"type": "text", "text": text}]}
        for name, text in lines
    ]})  # fmt: skip


@pytest.fixture
def clara(lantern: Any) -> Any:
    return make_person("Clara", "clara@lantern.example", lantern, "editor")


@pytest.fixture
def framed(lantern: Any) -> Any:
    """A letter in a template with places."""
    template = import_template.take_in(lantern, "Old one", PAGE.encode(), by=None, now=NOW).template
    list_ = new_list(lantern, "Letter", now=NOW)
    return actions.create(lantern, list_, Draft(subject="News"), by=None, now=NOW, template=template)


@pytest.mark.django_db
def test_what_stands_in_the_places_of_a_template_is_in_the_history_and_comes_back(framed: Any, clara: Any) -> None:
    begun = framed.version
    region_editor.write(framed, "latest", "blocks", doc(("one1", "The river is back")), by=clara, now=NOW)
    layout.hide(framed, "foot", True, by=clara, now=NOW)
    assert framed.version == begun + 2
    assert [(entry.new, entry.by_id) for entry in revisions.entries(framed)] == [(4, clara.pk), (0, None)]
    first = revisions.version_of(framed, begun)
    assert not revisions.is_same(first, framed)
    told = {one.title: [(part.kind, part.text) for part in one.words] for one in region_diff.places(first, framed)}
    assert told == {
        "Latest": [("gone", "News"), ("new", "The river is back"), ("same", "\n")],
        "Optional block: Foot": [("gone", "shown"), ("new", "hidden"), ("same", "\n")],
    }
    assert autosave.restore(framed, begun, by=clara, now=NOW)
    framed.refresh_from_db()
    assert (framed.places_sealed, revisions.is_same(first, framed)) == (None, True)
    assert autosave.restore(framed, begun + 2, by=clara, now=NOW)
    framed.refresh_from_db()
    assert layout.place(framed, "latest").words == "The river is back"
    region_editor.write(
        framed, "latest", "blocks", region_editor.blocks_of(layout.place(framed, "latest")).body, now=NOW
    )
    assert framed.version == begun + 4, "what says the same is no version"
    third = revisions.version_of(framed, begun + 4)
    layout.write(framed, "latest", WrittenRegion("<b>The river is back</b>"), now=NOW)
    assert [(one.looks, len(one.words)) for one in region_diff.places(third, framed)] == [(True, 1), (False, 1)]
    import_template.remove(framed.template, by=None, now=NOW)
    framed.refresh_from_db()
    told = [[(part.kind, part.text) for part in one.words] for one in region_diff.places(third, framed)]
    assert told == [[("gone", "The river is back\n")]], "what it was called went with its template"


@pytest.mark.django_db
def test_a_yes_to_a_letter_whose_places_were_changed_meanwhile_is_refused(framed: Any, clara: Any) -> None:
    seen = approval.bond_of(open_campaign(framed))
    layout.write(framed, "latest", WrittenRegion("Other news"), by=None, now=NOW)
    with pytest.raises(DraftChangedMeanwhile):
        approval.agree(framed, seen, by=clara, now=NOW)
    approval.agree(framed, approval.bond_of(open_campaign(framed)), by=clara, now=NOW)
    layout.hide(framed, "foot", True, now=NOW)
    assert approval.standing(open_campaign(framed)).state == "changed"


@pytest.mark.django_db
def test_two_who_write_in_one_place_lose_nothing(framed: Any) -> None:
    def said() -> str:
        return layout.place(framed, "latest").words

    begun = region_editor.blocks_of(layout.place(framed, "latest")).body
    name = json.loads(begun)["content"][0]["attrs"]["id"]
    seen = framed.version
    region_editor.write(framed, "latest", "blocks", doc((name, "News"), ("theirs1", "theirs")), version=seen, now=NOW)
    # The second writer began from the template's words, too.
    placed = region_editor.write(
        framed, "latest", "blocks", doc((name, "News"), ("mine1", "mine")), version=seen, now=NOW
    )
    assert (placed.merged, placed.doubled) == (True, 0)
    assert set(said().split()) == {"News", "theirs", "mine"}
    seen = framed.version
    region_editor.write(framed, "header_image", "html", "<b>elsewhere</b>", version=seen, now=NOW)
    alone = region_editor.write(framed, "latest", "blocks", doc((name, "One")), version=seen, now=NOW)
    assert (alone.merged, said()) == (False, "One")
    twice = region_editor.write(framed, "latest", "blocks", doc((name, "Two")), version=seen, now=NOW)
    assert (twice.doubled, said()) == (1, "Two One")
    again = region_editor.write(framed, "latest", "blocks", doc((name, "Mine")), version=seen, page="", now=NOW)
    assert again.merged
    seen = framed.version
    region_editor.write(framed, "latest", "html", "<i>theirs</i>", version=seen, now=NOW)
    with pytest.raises(region_editor.PlaceOvertaken):
        region_editor.write(framed, "latest", "html", "<i>mine</i>", version=seen, now=NOW)
    page = "a" * 32
    region_editor.write(framed, "latest", "html", "<i>one</i>", version=framed.version, page=page, now=NOW)
    region_editor.write(framed, "latest", "html", "<i>two</i>", version=framed.version - 1, page=page, now=NOW)
    assert said() == "two", "the answer to the writer's own save got lost"


def test_what_a_letter_begins_with_speaks_to_the_writer_in_a_language_it_has(lantern: Any) -> None:
    def begun(language: str) -> str:
        return starter_templates.begun(lantern, "event", language, Draft())[0].body

    assert "Программа" in begun("ru") and "Program" in begun("en-GB") and begun("uk") == begun("en")
    change_settings(lantern, by=None, now=NOW, language="ru")
    assert begun("uk") == begun("ru")


def zip_of(**pictures_of: bytes) -> bytes:
    page = "".join(f'<p><img src="images/{name}.png" alt="{name}" width="90"></p>' for name in pictures_of)
    rows = f"<tr><td>Head{page}</td></tr><tr><td>Dear readers of this</td></tr>"
    page = f"<html><body><table width='600'>{rows}</table></body></html>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        box.writestr("news/index.html", page)
        box.writestr("news/images/unused.png", png())
        for name, data in pictures_of.items():
            box.writestr(f"news/images/{name}.png", data)
    return out.getvalue()


@pytest.mark.django_db
def test_a_zip_brings_its_pictures_into_media_without_their_metadata(lantern: Any) -> None:
    told = PngInfo()
    told.add_text("Author", "Ada, 54.68 N 25.28 E")
    river = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(river, "PNG", pnginfo=told)
    data = zip_of(river=river.getvalue(), again=river.getvalue(), torn=b"\x89PNG no picture")
    assert b"Author" in data
    report = import_template.take_in(lantern, "Zip", data, by=None, now=NOW)
    (stored,) = lantern.pictures.all()
    assert b"Ada, 54" not in library.open_picture(stored)
    assert library.facts_of(stored).name == "river"
    shown = layout_store.source_of(report.template) + layout_store.sample_of(report.template)
    assert shown.count(f"https://lantern.example/m/{stored.slug}.png") == 2
    assert report.pictures == 1 and any("torn" in note for note in report.notes)
    empty = Draft(subject="News", from_email="a@lantern.example")
    draft, _template = starter_templates.begun(lantern, str(report.template.pk), "en", empty)
    letter = actions.create(lantern, new_list(lantern, "L", now=NOW), draft, by=None, now=NOW, template=report.template)
    proof = proof_of(letter, NOW)
    assert proof.letter.html and stored.slug in fill(proof.letter.html, {})
    missing = [flaw for flaw in proof.flaws if flaw.code in ("template_picture", "image_nowhere")]
    assert ["torn" in flaw.values["url"] for flaw in missing] == [True]
    used = library.uses(lantern, [stored.slug])[stored.slug]
    assert "template" in {use.kind for use in used}


@pytest.mark.django_db(transaction=True)
def test_nobody_is_kept_from_writing_while_the_pictures_of_a_template_are_decoded(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = library.decode

    def watched(*args: Any) -> Any:
        assert not connection.in_atomic_block
        return decode(*args)

    monkeypatch.setattr(library, "decode", watched)
    assert import_template.take_in(lantern, "Zip", zip_of(river=png()), by=None, now=NOW).pictures == 1


@pytest.mark.django_db
@pytest.mark.parametrize("limit", ["PATIENCE", "MOST_BYTES"])
def test_pictures_that_are_too_many_for_one_template_are_named(
    lantern: Any, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(import_template, limit, 0)
    report = import_template.take_in(lantern, "Zip", zip_of(river=png()), by=None, now=NOW)
    assert report.pictures == 0 and not lantern.pictures.exists()
    assert any("river" in note and "Add this one to Media separately" in note for note in report.notes)


@pytest.mark.django_db
def test_a_zip_that_is_refused_leaves_no_picture_behind(lantern: Any) -> None:
    with pytest.raises(CampaignError, match="too large"):
        import_template.take_in(lantern, "Zip", zip_of(good=png(), bad=b"0" * 11_000_000), by=None, now=NOW)
    assert not lantern.pictures.exists() and not lantern.templates.exists()


REPEATED = {
    "all parts in one": "<tr mc:repeatable='item'><td><h2 mc:edit='title'>Title</h2>"
    "<div mc:edit='words'>Words of it, long</div></td></tr>",
    "the part itself": "<tr><td mc:repeatable='item' mc:edit='words'>Words of it</td></tr>",
    "several": "<tr mc:repeatable='item'><td mc:edit='words'>Words of it</td></tr>"
    "<tr mc:repeatable='item'><td mc:edit='second'>Second</td></tr>",
    "one inside of another": "<tr mc:repeatable='item'><td><div mc:repeatable='inner'>"
    "<p mc:edit='words'>Words of it</p></div></td></tr>",
    "with another part behind": "<tr mc:repeatable='item'><td mc:edit='words'>Words of it</td></tr>"
    "<tr><td mc:edit='footer'>Foot with a postal address and much more text than above</td></tr>",
    "with a heading before": "<tr><td mc:edit='heading'>News</td></tr>"
    "<tr mc:repeatable='item'><td mc:edit='words'>Words of it, and more of them</td></tr>",
}


@pytest.mark.django_db
@pytest.mark.parametrize("rows", REPEATED.values(), ids=list(REPEATED))
def test_a_campaign_is_written_into_a_repeatable_part_and_more_are_added_after_it(lantern: Any, rows: str) -> None:
    page = f"<html><body><table width='600'>{rows}</table></body></html>"
    template = import_template.take_in(lantern, "Repeated", page.encode(), by=None, now=NOW).template
    begun, _template = starter_templates.begun(lantern, str(template.pk), "en", Draft(from_email="a@lantern.example"))
    letter = actions.create(lantern, new_list(lantern, "L", now=NOW), begun, by=None, now=NOW, template=template)

    def seen() -> str:
        return " ".join(fill(proof_of(letter, NOW).letter.text, {}).split())

    assert seen().count("Words of it") == 1, "at first it is as it came"
    part = next(view for view in layout.parts(letter) if view.kind == "repeat")
    before = len(part.copies)
    layout.add(letter, part.key, 0, now=NOW)
    layout.add(letter, part.key, 0, now=NOW)
    first, second = next(view for view in layout.parts(letter) if view.kind == "repeat").copies[before:]
    layout.write(letter, f"{part.key}/{first.id}/words", WrittenRegion("The bridge"), now=NOW)
    layout.write(letter, f"{part.key}/{second.id}/words", WrittenRegion("The dam"), now=NOW)
    layout.arrange(letter, part.key, second.id, "up", now=NOW)
    assert seen().index("Words of it") < seen().index("The dam") < seen().index("The bridge")
    layout.arrange(letter, part.key, second.id, "remove", now=NOW)
    assert "The dam" not in seen() and "The bridge" in seen()
    written = begun.with_(format="html", body="<p>Mine</p>")
    actions.save(letter, written, version=letter.version, by=None, now=NOW)
    assert "Mine" in seen() and "Words of it" not in seen()


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        for name, data in files.items():
            box.writestr(name, data)
    return out.getvalue()


@pytest.mark.django_db
def test_a_broken_picture_in_a_zip_is_told_once_and_nobody_is_told_to_bring_a_zip(lantern: Any) -> None:
    data = zip_of(good=png(), cut=png()[:40], empty=b"")
    report = import_template.take_in(lantern, "Zip", data, by=None, now=NOW, file="Zip.zip")
    assert [note for note in report.notes if "images/" in note] == [
        f"The image news/images/{name}.png wasn’t added. We can’t read this image. Save it as JPEG, PNG, GIF or WebP."
        for name in ("cut", "empty")
    ]
    assert not any("as a zip" in note for note in report.notes)


@pytest.mark.django_db
def test_a_picture_that_is_not_in_the_zip_is_named_as_such(lantern: Any) -> None:
    page = PAGE.replace("<h2>Our head</h2>", '<img src="img/river.png" alt="The river" width="90">')
    report = import_template.take_in(lantern, "Zip", zipped({"index.html": page}), by=None, now=NOW, file="Zip.zip")
    missing = "Images missing from the zip file: img/river.png. Add them and import the zip file again."
    assert [note for note in report.notes if "river" in note] == [missing]


@pytest.mark.django_db
@pytest.mark.parametrize("data", [b"\x00\x8f\x17 no zip", b"Dear all", PAGE.encode()])
def test_a_file_named_zip_that_is_none_is_called_so(lantern: Any, data: bytes) -> None:
    with pytest.raises(CampaignError) as refused:
        import_template.take_in(lantern, "Zip", data, by=None, now=NOW, file="BEE.ZIP")
    said = "The file name ends in .zip, but the file isn’t a zip file. Export or download it again."
    assert str(refused.value) == said


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["../../evil.html", "/index.html", "C:/index.html"])
def test_a_page_that_leads_out_of_its_zip_is_named_and_not_called_missing(lantern: Any, name: str) -> None:
    with pytest.raises(CampaignError) as refused:
        import_template.take_in(lantern, "Zip", zipped({name: PAGE}), by=None, now=NOW, file="Zip.zip")
    assert str(refused.value) == (
        f"The page in the zip file ({name}) is a link, or its path leads out of the zip file. "
        "Zip the page and its images again."
    )
    both = zipped({name: PAGE, "news.html": PAGE})
    assert import_template.take_in(lantern, "Zip", both, by=None, now=NOW, file="Zip.zip").template, (
        "This line begins with # or //, so it was skipped"
    )


@pytest.mark.django_db
def test_a_zip_of_pictures_alone_has_no_page(lantern: Any) -> None:
    for data in (zipped({"a.png": png()}), zipped({"__MACOSX/._index.html": PAGE})):
        with pytest.raises(CampaignError, match="no HTML page"):
            import_template.take_in(lantern, "Zip", data, by=None, now=NOW, file="Zip.zip")


ODD = Path(__file__).parents[1] / "payloads/odd-templates"


@pytest.mark.django_db
def test_the_checks_name_what_leads_nowhere_in_a_template_and_where(lantern: Any) -> None:
    came = (ODD / "noimportant.html").read_bytes()
    report = import_template.take_in(lantern, "Odd", came, by=None, now=NOW)
    template = report.template
    assert any("images/a.png" in note and "zip" in note for note in report.notes), "also when it comes in"
    assert any("page.html" in note and "list-manage" in note for note in report.notes)
    begun, _template = starter_templates.begun(
        lantern, str(template.pk), "en", Draft(subject="News", from_email="a@lantern.example")
    )
    letter = actions.create(lantern, new_list(lantern, "L", now=NOW), begun, by=None, now=NOW, template=template)
    proof = proof_of(letter, NOW)
    assert proof.compiled is None, "nobody who leaves another service's list goes on getting this one"
    told = {one.code: (one.severity, one.place, one.line, one.sentence) for one in findings(proof.flaws)}
    assert told["template_picture"][:3] == ("care", "template", 3)
    assert told["link_relative"][:3] == ("stop", "template", 3)
    assert told["link_leaves"][:3] == ("stop", "template", 3)
    assert "images/a.png" in told["template_picture"][3] and "{{ unsubscribe }}" in told["link_leaves"][3]


def test_parts_inside_of_parts_are_named_without_reading_the_page_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, words_of = list[int](), region_names.words_of
    monkeypatch.setattr(region_names, "words_of", lambda source: lengths.append(len(source)) or words_of(source))
    depth, page = 100, "<p>Hello there</p>" + "word " * 20_000
    nested = "".join("<div mc:hideable='h1'>" for _ in range(depth)) + page + "</div>" * depth
    parts = parts_of(take(f"<html><body>{nested}<div mc:edit='body'>x</div></body></html>".encode()).source)
    views = layout._views(parts, LayoutChanges(), "")
    assert views[0].title.startswith("Optional block: Hello there word")
    assert len(lengths) >= depth and max(lengths) <= layout.TITLE_READS


@pytest.mark.django_db
def test_what_a_letter_makes_of_its_template_has_an_end(lantern: Any) -> None:
    """Each place may have a hundred thousand characters, each part fifty copies, and copies stand in copies."""
    words = "".join(f"<p mc:edit='p{number}'>Words</p>" for number in range(20))
    main = "<tr><td mc:edit='body'>Hello *|FNAME|*, this is the story of the whole week and of all that came</td></tr>"
    page = f"<table>{main}<tr mc:repeatable='side'><td>{words}</td></tr></table>"
    template = import_template.take_in(lantern, "Long", page.encode(), by=None, now=NOW).template
    letter = actions.create(lantern, new_list(lantern, "L", now=NOW), Draft(), by=None, now=NOW, template=template)
    parts = layout.every_part(template, arrangement_of(letter))
    places = [view.key for view in parts if isinstance(view, layout.PlaceView)]
    *_, repeated = (view for view in parts if isinstance(view, layout.RepeatView) and view.copies)
    for key in places[:6]:
        layout.write(letter, key, WrittenRegion("ж" * 99_000), now=NOW)
    with pytest.raises(CampaignError, match="makes the email too long"):
        layout.write(letter, places[6], WrittenRegion("ж" * 99_000), now=NOW)
    with pytest.raises(CampaignError, match="makes the email too long"):
        layout.arrange(letter, repeated.key, repeated.copies[0].id, "copy", now=NOW)


def test_there_are_only_as_many_templates_as_a_gallery_opens(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_template, "MOST_TEMPLATES", 1)
    page = b"<html><body><div mc:edit='body'>Body</div><a href='*|UNSUB|*'>leave</a></body></html>"
    import_template.take_in(lantern, "First", page, by=None, now=NOW)
    with pytest.raises(CampaignError, match="You have 1 templates, the most there can be"):
        import_template.take_in(lantern, "Second", page, by=None, now=NOW)
