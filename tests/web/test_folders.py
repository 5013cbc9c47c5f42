"""Folders of campaigns: made, named anew, filled, looked into, searched, removed; their names are sealed."""

import pytest

from samizdat.campaigns import folders
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.models import Campaign, Folder
from tests.conftest import NOW
from tests.web.conftest import House
from tests.web.test_release import Desk, _to


def test_letters_are_moved_found_in_their_folder_and_stay_when_it_goes(here: House, desk: Desk) -> None:
    client, shelf = desk("editor"), _to(here, "campaigns")
    answer = client.post(_to(here, "move-campaigns"), {"letter": [here.campaign.pk], "to": here.folder})
    assert answer.headers["Location"] == f"{shelf}?folder={here.folder}"
    page = client.get(f"{shelf}?folder={here.folder}").content.decode()
    assert "What the river took" in page and "The winter list" not in page
    page = client.get(f"{shelf}?folder=0").content.decode()
    assert "What the river took" not in page and "The winter list" in page
    page = client.get(shelf, {"folder": here.folder, "q": "river", "show": "drafts"})
    assert "What the river took" in page.content.decode()
    assert f"?show=finished&amp;q=river&amp;folder={here.folder}" in page.content.decode()
    assert "What the river took" not in client.get(shelf, {"folder": 0, "q": "river"}).content.decode()
    letter = Campaign.objects.get(pk=here.campaign.pk)
    assert copy(letter, by=None, now=NOW).folder_id == here.folder
    told = [(one.name, one.letters) for one in folders.folders(here.organization)]
    assert told == [("Appeals", 2)]
    client.post(_to(here, "remove-folder", here.folder))
    letter.refresh_from_db()
    assert letter.folder_id is None and not Folder.objects.exists()
    assert "What the river took" in client.get(f"{shelf}?folder={here.folder}").content.decode()  # Of all, now.


def test_a_letter_that_is_begun_in_a_folder_lies_in_it(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.get(_to(here, "campaigns"), {"folder": here.folder}).content.decode()
    begin = f"{_to(here, 'new-campaign')}?folder={here.folder}"
    assert begin in page and "Appeals" in client.get(begin).content.decode()
    client.post(_to(here, "new-campaign"), {"begin": "letter", "folder": here.folder})
    assert Campaign.objects.latest("pk").folder_id == here.folder
    assert client.post(_to(here, "new-campaign"), {"begin": "letter", "folder": "999"}).status_code == 302
    assert Campaign.objects.latest("pk").folder_id is None, "one that is gone keeps nobody from writing"


def test_a_folder_is_named_once_and_its_name_is_sealed(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "folders")
    assert client.post(address, {"name": "  The   river "}).status_code == 302
    answer = client.post(address, {"name": "the RIVER"})
    assert answer.status_code == 422 and "A folder called “the RIVER” already exists." in answer.content.decode()
    assert client.post(address, {"name": " "}).status_code == 422
    client.post(_to(here, "rename-folder", here.folder), {"name": "The river"})
    assert "A folder called “The river” already exists." in client.get(address).content.decode()
    client.post(_to(here, "rename-folder", here.folder), {"name": "appeals"})
    assert [one.name for one in folders.folders(here.organization)] == ["appeals", "The river"]
    assert not any(b"river" in bytes(row.sealed) + bytes(row.name_index) for row in Folder.objects.all())


def test_nothing_is_moved_where_nothing_is_ticked_or_the_folder_is_anothers(
    here: House, there: House, desk: Desk
) -> None:
    client = desk("editor")
    client.post(_to(here, "move-campaigns"), {"to": here.folder})
    answer = client.post(_to(here, "move-campaigns"), {"letter": [here.campaign.pk], "to": there.folder})
    assert answer.status_code == 404
    client.post(_to(here, "move-campaigns"), {"letter": [there.campaign.pk, "9" * 30], "to": here.folder})
    assert not Campaign.objects.exclude(folder=None).exists()
    with pytest.raises(folders.FolderRefused):
        folders.folder_of(here.organization, there.folder)
