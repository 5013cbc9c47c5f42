"""How much incoming mail there is room for, and whose."""

import pytest

from samizdat.core.mail.mail_room import SMALL, MailRoom

GB, MB = 1_000_000_000, 1_000_000


@pytest.mark.parametrize(
    ("used", "ours", "strangers"),
    [
        (0, GB, 750 * MB),
        (700 * MB, 300 * MB, 50 * MB),
        (750 * MB, 250 * MB, SMALL),  # Small ones go on: bounces and replies without files.
        (900 * MB, 100 * MB, SMALL),
        (GB - 1, 1, 1),
        (GB, 0, 0),
        (GB + MB, 0, 0),
    ],
)
def test_large_messages_of_strangers_are_the_first_to_wait(used: int, ours: int, strangers: int) -> None:
    room = MailRoom(used, GB)
    assert (room.most(True), room.most(False)) == (ours, strangers)


@pytest.mark.parametrize(
    ("used", "free", "limit"),
    [
        (0, 50 * GB, GB),
        (100 * MB, 200 * MB, 300 * MB),
        (100 * MB, 0, 100 * MB),
        (100 * MB, -5 * MB, 100 * MB),  # Somebody else took of what was to be left.
    ],
)
def test_a_disk_with_little_space_sets_a_smaller_limit(used: int, free: int, limit: int) -> None:
    assert MailRoom.on_disk(used, GB, free) == MailRoom(used, limit)


def test_what_is_too_much_begins_before_strangers_have_to_wait() -> None:
    assert MailRoom(700 * MB, GB).excess() == 0
    assert MailRoom(740 * MB, GB).excess() == 40 * MB
    assert [MailRoom(used * MB, GB).is_full for used in (740, 750)] == [False, True]
