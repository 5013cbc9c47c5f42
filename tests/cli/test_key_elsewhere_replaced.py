"""Where the instance key isn't in a file here, `keys rotate instance` is run again to finish, and replaces nothing
then."""

import shutil
from pathlib import Path

from samizdat.vault.sources.key_file import read_key_file
from tests.cli.conftest import House
from tests.keyservice.conftest import Host

ROTATE = ("keys", "rotate", "instance", "--yes", "--json")


def numbers(house: House, **environment: str) -> tuple[int, bool]:
    status = house("keys", "rotate", "status", "--json", **environment).json
    return status["instance_key"], status["instance_pending"]


def test_once_a_command_gives_the_new_key_running_it_again_finishes(house: House, tmp_path: Path) -> None:
    given, new = tmp_path / "given", tmp_path / "new"
    shutil.copyfile(house.key, given)
    line = f"cat '{given}'"
    before, _pending = numbers(house, SAMIZDAT_KEY_COMMAND=line)
    assert house(*ROTATE, SAMIZDAT_KEY_COMMAND=line).json["error"] == "no_file"
    assert house(*ROTATE, "--to", str(new), SAMIZDAT_KEY_COMMAND=line).code == 0
    assert numbers(house, SAMIZDAT_KEY_COMMAND=line) == (before + 1, True), "the former key still works"
    shutil.copyfile(new, given)
    assert house(*ROTATE, SAMIZDAT_KEY_COMMAND=line).code == 0
    assert numbers(house, SAMIZDAT_KEY_COMMAND=line) == (before + 1, False)
    shutil.copyfile(new, house.key)


def test_once_a_new_key_service_gives_the_new_key_running_it_again_finishes(house: House, tmp_path: Path) -> None:
    former, new = Host(tmp_path / "former", key=read_key_file(house.key)), tmp_path / "new"
    try:
        former.start()
        paired = str(former.pair())
        before, _pending = numbers(house, SAMIZDAT_KEY_SERVICE=paired)
        done = house(*ROTATE, "--to", str(new), SAMIZDAT_KEY_SERVICE=paired)
        assert done.code == 0, done.err
        assert numbers(house, SAMIZDAT_KEY_SERVICE=paired) == (before + 1, True)
    finally:
        former.end()
    present = Host(tmp_path / "present", key=read_key_file(new))
    try:
        present.start()
        paired = str(present.pair())
        assert house(*ROTATE, SAMIZDAT_KEY_SERVICE=paired).code == 0
        assert numbers(house, SAMIZDAT_KEY_SERVICE=paired) == (before + 1, False)
    finally:
        present.end()
    shutil.copyfile(new, house.key)
