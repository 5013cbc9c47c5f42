"""Cases about closed accounts in an export of our own format, and in another house."""

import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from samizdat.accounts.actions import change_settings, found_organization
from samizdat.audience.queries import lists
from samizdat.core.rescue.case import ClosedAccount
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import cases as part
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from samizdat.privacy import actions
from samizdat.privacy.models import RescueCase, RescueEvidencePiece
from samizdat.privacy.rescue_cases import case_numbered, cases, details_of, read_evidence
from tests.conftest import NOW, TODAY
from tests.portability.test_campaigns import forged
from tests.portability.test_export import KEY, made
from tests.portability.test_setup import exported

WISH = ExportRequest("samizdat", (str(KEY.to_public()),), keys=True, setup=True)
ACCOUNT = ClosedAccount(
    "mailchimp", NOW.date() - timedelta(days=9), "Lantern", country="LV", subscribers_in=("LV", "EU"), signed="Clara"
)
LARGE = bytes(range(256)) * 6_000  # Two pieces.


@pytest.fixture
def home(lantern: Any, letter: Any) -> Any:
    """One case with everything, and one that was finished."""
    change_settings(lantern, now=NOW, public_url="https://letters.lantern.example", by=None)
    first = actions.open_case(lantern, ACCOUNT, now=NOW - timedelta(days=8))
    actions.note_sent(first, "return", NOW.date() - timedelta(days=7), now=NOW)
    actions.add_evidence(first, "notice.eml", io.BytesIO(b"Your account is closed."), note="By email", now=NOW)
    actions.add_evidence(first, "screen.png", io.BytesIO(LARGE), now=NOW)
    actions.open_petition(first, "en", now=NOW)
    actions.publish_timeline(first, "What happened", "2026-11-20 It was closed.", "en", now=NOW)
    second = actions.open_case(lantern, replace(ACCOUNT, provider="Somebody else"), now=NOW)
    actions.finish_case(second, NOW.date(), now=NOW)
    return lantern


def brought(path: Path, vault: Any) -> Any:
    there = found_organization("Harbor Bell", source=vault, today=TODAY)
    assert bring_back(there, path, now=lambda: NOW)["cases"] == 2
    return there


def test_cases_come_whole_with_their_files_and_their_petition(home: Any, vault: Any, tmp_path: Path) -> None:
    there = brought(exported(home, tmp_path, WISH), vault)
    (old_second, old_first), (second, first) = cases(home), cases(there)
    assert details_of(second) == details_of(old_second) and (first.created, second.created) == (
        old_first.created,
        old_second.created,
    )
    before, after = details_of(old_first), details_of(first)
    assert (after.account, after.sent, after.evidence) == (before.account, before.sent, before.evidence)
    assert [b"".join(read_evidence(first, file)) for file in after.evidence] == [b"Your account is closed.", LARGE]
    assert after.petition is not None
    assert after.petition.list in {view.id for view in lists(there)}
    assert after.public == structs.replace(before.public, is_shown=False), "nothing is public by an import"


def test_without_the_setup_none_goes_along_since_they_name_who_works_here(home: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(made(home, ExportRequest("samizdat")))) as box:
        assert not any("cases" in name for name in box.namelist())


SPOILT: dict[str, Any] = {
    "another file than was added": lambda case: case["details"]["evidence"][0].update(sha256="0" * 64),
    "a request that nobody knows": lambda case: case["details"]["sent"][0].update(kind="bribe"),
    "a country that is a text": lambda case: case["details"]["account"].update(country="<b>"),
    "a page with an address of its own choice": lambda case: case["details"]["public"].update(slug="../x"),
    "a reason that nobody knows": lambda case: case["details"]["account"].update(reason="x"),
    "no provider": lambda case: case["details"]["account"].update(provider=" "),
    "no day": lambda case: case.update(created="yesterday"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_somebody_wrote_into_the_file_is_refused(home: Any, vault: Any, tmp_path: Path, spoil: Any) -> None:
    def spoilt(entries: list[Any]) -> list[Any]:
        spoil(next(entry for entry in entries if entry["details"].get("evidence")))
        return entries

    path = exported(home, tmp_path, WISH)
    path.write_bytes(forged(path.read_bytes(), part.FILE, spoilt))
    there = found_organization("Harbor Bell", source=vault, today=TODAY)
    with pytest.raises(ExportRefused):
        bring_back(there, path, now=lambda: NOW)
    assert not RescueCase.objects.filter(organization=there).exists()


def test_a_petition_whose_list_stayed_behind_does_too(home: Any, vault: Any, tmp_path: Path) -> None:
    def spoilt(entries: list[Any]) -> list[Any]:
        next(entry for entry in entries if entry["petition"])["petition"]["list"] = 5
        return entries

    path = exported(home, tmp_path, WISH)
    path.write_bytes(forged(path.read_bytes(), part.FILE, spoilt))
    there = brought(path, vault)
    assert all(details_of(case).petition is None for case in cases(there))


def test_an_organization_that_is_removed_takes_its_cases_along(home: Any) -> None:
    number = cases(home)[1].pk
    assert case_numbered(home, number) and RescueEvidencePiece.objects.filter(case=number).count() == 3
    home.delete()
    assert not RescueCase.objects.exists() and not RescueEvidencePiece.objects.exists()
