"""What a browser sends waits in memory, or in a file that has no name and that nobody can read."""

import os
from pathlib import Path

import pytest

from samizdat.asgi import Place
from samizdat.web.asgi import MB, PEOPLE, STRANGERS
from samizdat.web.spool import IN_MEMORY, Spool, SpoolFull, UploadAllowance

ADA = b"ada@lantern.example\n"


def filled(folder: Path, text: bytes, allowance: UploadAllowance | None = None) -> Spool:
    spool = Spool(folder)
    spool.allowance = allowance
    for at in range(0, len(text), 1000):
        spool.write(text[at : at + 1000])
    spool.rewind()
    return spool


@pytest.mark.parametrize("size", [0, 100, IN_MEMORY, IN_MEMORY + 1, 10 * IN_MEMORY])
def test_what_was_written_is_read_again(tmp_path: Path, size: int) -> None:
    text = (ADA * (size // len(ADA) + 1))[:size]
    with filled(tmp_path, text) as spool:
        assert spool.size == size
        assert spool.read(7) + spool.readline() + spool.read() == text
        assert spool.read(10) == b""


def test_a_large_one_has_no_name_on_the_disk_and_is_not_in_plain_there(tmp_path: Path) -> None:
    with filled(tmp_path, ADA * 20_000) as spool:
        assert [*tmp_path.iterdir()] == []
        files = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        ours = [file for file in files if str(tmp_path) in str(file.resolve())]
        (file,) = ours
        raw = file.read_bytes()
        assert len(raw) == len(ADA) * 20_000
        assert b"lantern" not in raw
        assert spool.read() == ADA * 20_000


def test_two_with_the_same_text_do_not_look_alike(tmp_path: Path) -> None:
    raw = []
    for _again in range(2):
        with filled(tmp_path, ADA * 20_000) as spool:
            assert spool._file is not None
            spool._file.seek(0)
            raw.append(spool._file.read())
    assert raw[0] != raw[1]


def test_more_than_one_may_have_is_forgotten(tmp_path: Path) -> None:
    with filled(tmp_path, ADA * 20_000, UploadAllowance(100_000, 1_000_000, 1, 1)) as spool:
        assert spool.size == 100_000
        assert spool.read() == (ADA * 20_000)[:100_000]


def test_all_together_may_have_so_much_and_who_is_done_gives_back(tmp_path: Path) -> None:
    shared = UploadAllowance(200_000, 300_000, 1, 1)
    with filled(tmp_path, bytes(200_000), shared):
        with Spool(tmp_path) as other:
            other.allowance = shared
            other.write(bytes(100_000))
            with pytest.raises(SpoolFull):
                other.write(bytes(1000))
        assert shared.taken == 200_000
    assert shared.taken == 0


def finds_room(shared: UploadAllowance, place: Place, size: int) -> bool:
    try:
        shared.take(place, size)
    except SpoolFull:
        return False
    shared.give_back(place, size)
    return True


def hold_all(shared: UploadAllowance, place: Place) -> None:
    """What bodies take that all stop half way."""
    size = shared.most
    while size:
        if finds_room(shared, place, size):
            shared.take(place, size)
        else:
            size //= 2


def test_one_upload_alone_finds_room() -> None:
    for bounds in (PEOPLE, STRANGERS):
        shared = UploadAllowance(*bounds)
        assert finds_room(shared, (1, 1), shared.most)


def test_whatever_one_organization_holds_open_others_send_pictures_and_lists() -> None:
    shared = UploadAllowance(*PEOPLE)
    for thief in range(10):
        hold_all(shared, (1, thief))
    assert finds_room(shared, (2, 20), 100 * MB)


def test_whatever_one_of_them_holds_open_others_of_the_organization_send_pictures_and_lists() -> None:
    shared = UploadAllowance(*PEOPLE)
    hold_all(shared, (1, 1))
    assert finds_room(shared, (1, 2), 100 * MB)


def test_whatever_strangers_and_many_browsers_hold_open_another_browser_sends_a_long_letter() -> None:
    shared = UploadAllowance(*STRANGERS)
    hold_all(shared, ("strangers", None))
    for thief in range(10):
        hold_all(shared, ("known", f"thief{thief}"))
    assert finds_room(shared, ("known", "ada"), MB // 2)
