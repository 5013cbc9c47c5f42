"""`keys rotate instance`, run as root beside data of another user: what it writes is theirs, so `serve` reads it."""

import os
import pwd
from pathlib import Path

import pytest

from tests.cli.conftest import House
from tests.cli.test_former_key import FENCING


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root gives files to others.")
def test_what_it_writes_belongs_to_the_owner_of_the_data(house: House) -> None:
    place, user = house.folder / "backups", pwd.getpwnam("nobody")
    place.mkdir()
    house.django(f"{FENCING}.look(now())")
    house.say("backup", "place", "add", str(place))
    house.django("from samizdat.delivery import database_progress; database_progress.note()")
    house.django(f"{FENCING}.ask_places(now())")
    before = {path.name for path in (place / "epoch").iterdir()}
    for path in (house.key, house.data, place, *house.data.rglob("*"), *place.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    former = Path(house.say("keys", "rotate", "instance", "--yes")["former"])
    assert {path.name for path in (place / "epoch").iterdir()} > before
    written = [former, house.key, *house.data.rglob("*"), *place.rglob("*")]
    assert {path: path.lstat().st_uid for path in written if path.lstat().st_uid != user.pw_uid} == {}
    assert {"newest"} <= {path.name for path in written}
