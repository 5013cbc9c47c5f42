"""Fundraisers move to another house with their addresses and sums; what somebody wrote into a file is refused."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.core.donations import PaymentMethod
from samizdat.core.money import Money
from samizdat.fundraising import actions
from samizdat.fundraising.actions import Wanted
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import details_of, fundraisers, sums_of
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import fundraisers as part
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from tests.conftest import NOW, TODAY
from tests.portability.test_campaigns import forged
from tests.portability.test_export import KEY, made
from tests.portability.test_setup import exported

WISH = ExportRequest("samizdat", (str(KEY.to_public()),), keys=True, setup=True)
CARD = PaymentMethod(id="", kind="link", name="Card", address="https://pay.example")


@pytest.fixture
def home(lantern: Any, letter: Any) -> Any:
    first = actions.open_fundraiser(lantern, "en", Wanted("Dry the archive", goal="4,200"), now=NOW)
    card = actions.put_method(first, CARD, now=NOW)
    actions.note_test_payment(first, card.id, now=NOW)
    actions.add_to_day(first, card.id, NOW.date(), Money(123456, "EUR"), 7, now=NOW)
    actions.open_fundraiser(lantern, "ru", Wanted("Просушим архив"), now=NOW)
    return lantern


def test_fundraisers_come_whole_and_have_to_be_tested_again(home: Any, vault: Any, tmp_path: Path) -> None:
    there = found_organization("Harbor Bell", source=vault, today=TODAY)
    assert bring_back(there, exported(home, tmp_path, WISH), now=lambda: NOW)["fundraisers"] == 2
    for before, after in zip(fundraisers(home), fundraisers(there), strict=True):
        assert details_of(after).slug == details_of(before).slug, "links in emails go on"
        assert (details_of(after).texts, sums_of(after)) == (details_of(before).texts, sums_of(before))
    first = details_of(fundraisers(there)[1])
    assert [(method.name, method.tested) for method in first.methods] == [("Card", None)]


def test_without_the_setup_none_goes_along(home: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(made(home, ExportRequest("samizdat")))) as box:
        assert part.FILE not in box.namelist()


SPOILT: dict[str, Any] = {
    "an address of its own choice": lambda entry: entry["details"].update(slug="../x"),
    "a link that runs a script": lambda entry: entry["details"]["methods"][0].update(address="javascript:x"),
    "a currency that nobody knows": lambda entry: entry["details"].update(currency="XYZ"),
    "a goal below zero": lambda entry: entry["details"].update(goal=-1),
    "a title as long as a text": lambda entry: entry["details"]["texts"]["en"].update(title="x" * 1000),
    "a language that is a text": lambda entry: entry["details"]["texts"].update({"<b>": {"title": "x"}}),
    "a sum in no currency": lambda entry: entry["sums"]["sums"].update({"0" * 8: {"XYZ": {}, "": {"2026-01-01": {}}}}),
    "a sum that fits nowhere": lambda entry: entry["sums"]["sums"].update(
        {"0" * 8: {"EUR": {"2026-01-01": {"minor": 10**17}}}}
    ),
    "no day": lambda entry: entry.update(created="yesterday"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_somebody_wrote_into_the_file_is_refused(home: Any, vault: Any, tmp_path: Path, spoil: Any) -> None:
    def spoilt(entries: list[Any]) -> list[Any]:
        spoil(next(entry for entry in entries if entry["details"].get("methods")))
        return entries

    path = exported(home, tmp_path, WISH)
    path.write_bytes(forged(path.read_bytes(), part.FILE, spoilt))
    there = found_organization("Harbor Bell", source=vault, today=TODAY)
    with pytest.raises(ExportRefused):
        bring_back(there, path, now=lambda: NOW)
    assert not Fundraiser.objects.filter(organization=there).exists()
