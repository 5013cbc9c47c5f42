"""Leaving whole at the desk: an admin asks, the worker makes it, it is fetched once; of a plain one all admins hear."""

import io
import zipfile
from typing import Any

import pyrage
import pytest
from django.test import Client
from django.utils import timezone

from samizdat.audience.exporting import actions
from samizdat.audience.exporting.leaving import Wish
from samizdat.audience.exporting.models import Export
from tests.conftest import NOW
from tests.web.conftest import House, make_person, signed_in

KEY = pyrage.x25519.Identity.generate()
SEALED = {"format": "samizdat", "list": "0", "seal": "sealed", "recipients": f"{KEY.to_public()}\n", "keys": "on"}


def at(house: House, *words: Any) -> str:
    return "/".join(["", "o", house.organisation.slug, "exports", *map(str, words), ""])


@pytest.fixture
def vera(here: House) -> Client:
    return signed_in(here.people["admin"])


def newest() -> Export:
    return Export.objects.select_related("organisation").latest("pk")


def test_an_admin_asks_the_worker_makes_it_and_it_is_fetched_once(here: House, vera: Client) -> None:
    answer = vera.post(at(here), SEALED)
    row = newest()
    assert answer.headers["Location"] == at(here, row.pk) and row.state == "asked" and not row.plain
    assert b"begins in a moment" in vera.get(at(here, row.pk)).content
    assert vera.get(at(here, row.pk) + "progress").status_code == 200
    actions.run(row.pk, now=lambda: NOW)
    assert vera.get(at(here, row.pk) + "progress").headers["HX-Refresh"] == "true"
    assert b"Your export is ready" in vera.get(f"/o/{here.organisation.slug}/").content
    file = vera.post(at(here, row.pk) + "fetch")
    data = b"".join(file.streaming_content)  # type: ignore[attr-defined]
    assert len(data) == int(file.headers["Content-Length"])
    assert file.headers["Content-Disposition"].endswith('.zip.age"')
    assert "keys.json" in zipfile.ZipFile(io.BytesIO(pyrage.decrypt(data, [KEY]))).namelist()
    assert vera.post(at(here, row.pk) + "fetch").status_code == 302
    assert newest().state == "fetched"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipients": ""}, b"whose age key"),
        ({"recipients": "age1nokey"}, b"no age key"),
        ({"recipients": str(KEY)}, b"secret key"),
        ({"seal": "plain", "reason": " "}, b"Say why"),
        ({"format": "doc"}, b"to correct"),
        ({"list": "999999"}, b"to correct"),
    ],
)
def test_a_wish_that_cannot_be_is_one_sentence_and_makes_nothing(
    here: House, vera: Client, change: dict[str, str], words: bytes
) -> None:
    before = Export.objects.count()
    answer = vera.post(at(here), {**SEALED, **change})
    assert answer.status_code == 422 and words in answer.content
    assert Export.objects.count() == before


def test_a_plain_one_is_told_to_every_other_admin_until_she_has_seen_it(here: House, vera: Client) -> None:
    other = make_person("Zoya", "zoya@lantern.example", here.organisation, "admin")
    zoya, home = signed_in(other), f"/o/{here.organisation.slug}/"
    vera.post(at(here), {**SEALED, "format": "xlsx", "seal": "plain", "reason": "The auditor asks for it."})
    row = newest()
    assert row.plain
    assert b"The auditor asks for it." in zoya.get(home).content
    assert b"The auditor asks for it." not in vera.get(home).content
    assert b"I have seen it" in zoya.get(at(here, row.pk)).content
    # Of the command line nobody can say who it was.
    actions.direct(here.organisation, Wish("csv"), io.BytesIO(), reason="From the shell.", now=timezone.now)
    assert b"From the shell." in vera.get(home).content
    for export in Export.objects.all():
        zoya.post(at(here, export.pk) + "seen")
    assert b"plain file of your subscribers" not in zoya.get(home).content


def test_the_editor_has_no_such_page_and_the_viewer_no_buttons(here: House) -> None:
    row = here.export
    assert signed_in(here.people["editor"]).get(at(here)).status_code == 403
    viewer = signed_in(here.people["viewer"])
    page = viewer.get(at(here))
    assert page.status_code == 200 and b"Make the file" not in page.content
    assert viewer.post(at(here), SEALED).status_code == 403
    assert viewer.post(at(here, row.pk) + "fetch").status_code == 403


def test_a_planted_address_leads_to_its_export(here: House, vera: Client) -> None:
    planted = actions.told_of(here.export)["planted"]["address"]
    found = vera.post(at(here, "whose")[:-1], {"whose-address": planted})
    assert found.headers["Location"] == at(here, here.export.pk)
    assert b"in none of your exports" in vera.post(at(here, "whose")[:-1], {"whose-address": "x@y.example"}).content
    assert planted.encode() not in vera.get(at(here, here.export.pk)).content


def test_what_is_not_wanted_any_more_is_forgotten(here: House, vera: Client) -> None:
    actions.run(here.export.pk, now=lambda: NOW)
    vera.post(at(here, here.export.pk) + "drop")
    assert newest().state == "over" and not here.export.pieces.exists()
