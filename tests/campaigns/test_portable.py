"""Letters, pictures, templates, looks, rules and settings in an export of our own format, and in another house."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organisation
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.exporting.leaving import Wish
from samizdat.audience.models import Subscriber
from samizdat.campaigns import brand, pictures, templating
from samizdat.campaigns.actions import create
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.delivery import actions as delivery
from samizdat.delivery.engine.opening import open_edition
from samizdat.delivery.queries import status
from samizdat.gate.models import Page
from samizdat.gate.models import Picture as Shown
from samizdat.rights.actions import retaining
from samizdat.worker.after import follow
from tests.audience.test_exporting import _changed, in_another_house, made
from tests.conftest import NOW
from tests.web.conftest import png


@pytest.fixture
def written(lantern: Any) -> Any:
    """A reader, a letter that went to her, one on its way, one for later, and a draft with a picture in a template."""
    list_ = audience.new_list(lantern, "The Thursday Letter", now=NOW)
    audience.add_subscriber(lantern, "ada@post.example", list_, consent="At the fair.", tags=["press"], now=NOW)
    change_settings(lantern, by=None, now=NOW, public_url="https://lantern.example", quiet_hours="22:00-07:00")
    picture = pictures.take_in(lantern, png(), NOW, name="The river")
    template = templating.take_in(
        lantern, "Ours", b"<html><body>*|MC:SUBJECT|*</body></html>", by=None, now=NOW
    ).template
    brand.keep(lantern, brand.Brand(link="#003366", logo=picture.slug), by=None, now=NOW)
    retaining.retain(list_, retaining.Rules(left_days=400), now=NOW)

    def letter(subject: str, **how: Any) -> Campaign:
        words = Draft(
            subject=subject,
            from_name="Lantern",
            from_email="letter@lantern.example",
            body=f"Hello.\n\n![]({pictures.url_of(lantern, picture)})\n",
        )
        return create(lantern, list_, words, by=None, now=NOW, **how)

    letter("A draft", template=template, tag=queries.tag_named(lantern, "press"))
    sent, going = (delivery.release(letter(subject), now=NOW) for subject in ("Sent", "Going"))
    over = {"state": "finished", "accepted": 1, "pending": 0, "finished": NOW, "left_by_letter": 1}
    Campaign.objects.filter(pk=sent.pk).update(**over)
    delivery.release(letter("Later"), now=NOW, at=NOW + timedelta(days=2))
    letter("To those not reached", again=going)
    return lantern


def letters_of(organisation: Any) -> dict[str, Campaign]:
    return {
        draft_of(row).subject: row
        for row in Campaign.objects.select_related("organisation", "template").filter(organisation=organisation)
    }


def test_letters_and_all_that_they_are_made_of_come_into_another_house(
    written: Any, vault: Any, tmp_path: Path
) -> None:
    there, counts = in_another_house(made(written, Wish("samizdat", keys=True)), tmp_path, vault)
    assert (counts["letters"], counts["pictures"], counts["templates"]) == (4, 1, 1)
    before, after = letters_of(written), letters_of(there)
    assert {subject: row.state for subject, row in after.items()} == {
        "A draft": "draft", "Sent": "finished", "Going": "finished", "Later": "draft",
    }  # fmt: skip
    draft = after["A draft"]
    assert draft.tag == queries.tag_named(there, "press") and templating.name_of(draft.template) == "Ours"  # type: ignore[arg-type]
    books = {name: status(after["Sent"])[name] for name in ("frozen", "accepted", "pending", "left_by_letter")}
    assert books == {"frozen": 1, "accepted": 1, "pending": 0, "left_by_letter": 1}
    assert (after["Going"].cancelled, after["Going"].pending) == (1, 0)
    assert open_edition(after["Sent"].edition.pk).compiled == open_edition(before["Sent"].edition.pk).compiled
    assert not after["Sent"].edition.chunks.exists()
    (picture,) = Picture.objects.filter(organisation=there)
    assert pictures.open_picture(picture) == pictures.open_picture(Picture.objects.get(organisation=written))
    assert pictures.facts_of(picture).name == "The river"
    # Somebody of this house has its name already: texts and looks say the new one.
    assert picture.slug in draft_of(draft).body and brand.brand_of(there).logo == picture.slug
    assert brand.brand_of(there).link == "#003366"
    list_ = queries.list_named(there, "The Thursday Letter")
    assert retaining.rules_of(list_) == retaining.Rules(left_days=400)
    there.refresh_from_db()
    assert (there.quiet_hours, there.public_url) == ("22:00-07:00", "")


@pytest.mark.django_db(databases=["default", "gate"])
def test_numbers_that_stand_in_mailboxes_stay_where_nobody_has_them(written: Any, vault: Any, tmp_path: Path) -> None:
    data, sent = made(written, Wish("samizdat")), letters_of(written)["Sent"]
    known = sent.edition.pk, sent.edition.archive_slug, Picture.objects.get().slug
    Campaign.objects.filter(again__isnull=False).delete()
    _forget(written)
    there, _counts = in_another_house(data, tmp_path, vault)
    after = letters_of(there)["Sent"].edition
    assert (after.pk, after.archive_slug, Picture.objects.get().slug) == known
    change_settings(there, by=None, now=NOW, public_url="https://harbour.example")
    follow(NOW)
    assert Page.objects.filter(slug=known[1]).exists() and Shown.objects.filter(slug=known[2]).exists()


def _forget(organisation: Any) -> None:
    from samizdat.campaigns.models import Edition
    from samizdat.delivery.models import Chunk

    Chunk.objects.all().delete()
    Edition.objects.all().delete()
    Campaign.objects.filter(organisation=organisation).delete()
    Picture.objects.filter(organisation=organisation).delete()


def test_the_same_file_again_and_one_of_the_first_version_bring_no_letter_twice(
    written: Any, vault: Any, tmp_path: Path
) -> None:
    data = made(written, Wish("samizdat"))
    there, _counts = in_another_house(data, tmp_path, vault)
    from samizdat.audience.exporting.returning import bring_back

    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["added"] == 0
    assert (
        Campaign.objects.filter(organisation=there).count(),
        Template.objects.filter(organisation=there).count(),
    ) == (4, 1)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("pictures.json", lambda told: [told[0] | {"kind": "html"}]),
        ("pictures.json", lambda told: [told[0] | {"slug": "../../etc"}]),
        ("templates.json", lambda told: [{"number": 1}]),
        ("looks.json", lambda told: {"brand": {"logo_width": "wide"}}),
        ("keeping.json", lambda told: [{"list": 77, "left_days": 400, "delivery_months": None}]),
        ("settings.json", lambda told: told | {"quiet_hours": "always"}),
        ("letters/", lambda told: told | {"state": "flying"}),
        ("letters/", lambda told: told | {"books": told["books"] | {"frozen": 7}}),
        ("letters/", lambda told: told | {"edition": {"number": 1}}),
        ("letters/", lambda told: []),
    ],
)
def test_a_forged_letter_or_picture_is_refused_before_anybody_is_written(
    written: Any, vault: Any, tmp_path: Path, name: str, spoil: Any
) -> None:
    name = f"letters/{letters_of(written)['Sent'].pk}.json" if name == "letters/" else name
    data = forged(made(written, Wish("samizdat")), name, spoil)
    people = Subscriber.objects.count()
    with pytest.raises(ExportRefused) as refused:
        in_another_house(data, tmp_path, vault)
    assert refused.value.code == "altered_file"
    there = Organisation.objects.order_by("-pk")[0]
    assert Subscriber.objects.count() == people and not Campaign.objects.filter(organisation=there).exists()


def forged(data: bytes, name: str, spoil: Any) -> bytes:
    """With the right length and checksum: whoever forges it can count."""
    import hashlib
    import io
    import zipfile

    made = json.dumps(spoil(json.loads(zipfile.ZipFile(io.BytesIO(data)).read(name)))).encode()
    data = _changed(data, name, lambda _text: made)

    def told(text: bytes) -> bytes:
        manifest = json.loads(text)
        manifest["files"][name] |= {"bytes": len(made), "sha256": hashlib.sha256(made).hexdigest()}
        return json.dumps(manifest).encode()

    return _changed(data, "manifest.json", told)
