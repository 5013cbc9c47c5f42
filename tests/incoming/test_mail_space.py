"""Raw messages have a limit: whose go first, and whose wait elsewhere."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from samizdat import mail_spool
from samizdat.core.mail.mail_room import MailRoom
from samizdat.events.models import Event
from samizdat.incoming import intake, mail_space, spooled
from samizdat.incoming.conversations import actions, queries
from samizdat.incoming.errors import IncomingFull
from samizdat.incoming.models import IncomingMail, MailReport
from tests.delivery.conftest import House
from tests.incoming.conftest import Incoming, bounce, now
from tests.web.conftest import make_person

LARGE = 150_000
STRANGER = b"From: eve@elsewhere.example\r\nSubject: Buy\r\nPrecedence: bulk\r\nAuto-Submitted: auto-replied\r\n\r\n"
FILE = """From: %s
Message-ID: <file@elsewhere.example>
Subject: Photos
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: text/plain

Here they are.
--b1
Content-Type: image/jpeg; name="cat.jpg"
Content-Disposition: attachment; filename="cat.jpg"
Content-Transfer-Encoding: 7bit

%s
--b1--
"""


def from_stranger(size: int = LARGE) -> bytes:
    return STRANGER + b"spam spam spam spam\r\n" * (size // 21)


def with_file(sender: str, size: int = LARGE) -> bytes:
    return (FILE % (sender, "spam spam spam spam\n" * (size // 20))).replace("\n", "\r\n").encode()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many bytes an organization may have, and has them counted at once."""
    monkeypatch.setattr(mail_space, "COUNTED", -1.0)

    def limit(most: int) -> None:
        monkeypatch.setattr(mail_space, "megabytes", lambda _name: most)

    return limit


def states(house: House) -> list[int]:
    rows = IncomingMail.objects.filter(organization=house.organization).order_by("pk")
    return [*rows.values_list("state", flat=True)]


def test_what_strangers_sent_goes_first_and_its_reports_stay(
    house: House, incoming: Incoming, limited: Callable[[int], None]
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    incoming.come_back(caught)
    for _ in range(6):
        incoming.take(from_stranger())
    incoming.read()
    limited(6 * LARGE)
    assert mail_space.make_room(now()) > 0
    assert states(house)[0] == IncomingMail.READ and 1 < len(states(house)) < 6
    assert MailReport.objects.count() == 7
    assert not Event.objects.filter(kind=mail_space.FULL).exists()


def test_read_bounces_go_before_any_mail_has_to_wait(
    house: House, incoming: Incoming, limited: Callable[[int], None]
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    incoming.come_back(caught)
    incoming.read()
    limited(1000)
    assert mail_space.make_room(now()) == 1
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_mail_that_waits_to_be_read_never_goes_and_an_admin_hears_of_it_once(
    house: House, incoming: Incoming, limited: Callable[[int], None]
) -> None:
    for _ in range(3):
        incoming.take(from_stranger())
    limited(3 * LARGE)
    assert [mail_space.make_room(now()) for _ in range(3)] == [0, 0, 0]
    assert len(states(house)) == 3
    assert Event.objects.filter(kind=mail_space.FULL).count() == 1
    assert len(mail_space.alarms(house.organization, now())) == 1
    assert mail_space.alarms(house.organization, now() + timedelta(days=2)) == []


def test_large_mail_of_strangers_waits_while_bounces_come_in(
    house: House, incoming: Incoming, limited: Callable[[int], None]
) -> None:
    ada, boris = house.people(2)
    sent = incoming.send()
    incoming.take(from_stranger(3 * LARGE))
    limited(4 * LARGE)
    with pytest.raises(IncomingFull):
        incoming.take(from_stranger(LARGE - 20_000))  # There is room for it, and it is left to others.
    incoming.come_back(sent[ada])
    incoming.take(bounce("bounces@lantern.example", boris))  # A small one, though nothing proves it.

    def large(sender: str, recipient: str) -> bytes:
        return bounce(sender, recipient) + b"x" * (LARGE // 2)

    incoming.come_back(sent[boris], large)
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}", f"bounce {boris}"}


def test_a_disk_without_space_takes_nothing(
    house: House, incoming: Incoming, limited: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(1 << 30)
    monkeypatch.setattr(mail_spool, "LEFT_FREE", 1 << 60)
    monkeypatch.setattr(mail_space, "reusable_bytes", lambda: 0)
    with pytest.raises(IncomingFull):
        incoming.take(b"Subject: hi\r\n\r\nHello\r\n")
    assert mail_space.room(house.organization) == MailRoom(0, 0)


def test_files_of_the_inbox_stay_up_to_a_share(
    house: House, incoming: Incoming, limited: Callable[[int], None]
) -> None:
    """A stranger's quarter is full with the first one: files of the second go when room is short, its text stays."""
    limited(6 * LARGE)
    incoming.take(with_file("eve@elsewhere.example"))
    incoming.take(with_file("mallory@elsewhere.example"))
    incoming.read()
    assert states(house) == [IncomingMail.WITH_FILES, IncomingMail.UNPROVEN]
    limited(LARGE)
    assert mail_space.make_room(now()) == 1
    assert states(house) == [IncomingMail.WITH_FILES]
    page = queries.page(
        house.organization, "open", make_person("Clara", "clara@lantern.example", house.organization, "editor"), 1
    )
    assert len(page.rows) == 2
    files = [view.has_files for row in page.rows for view in queries.messages(row.row)]
    assert sorted(files) == [False, True]


def test_deleting_a_conversation_makes_room(house: House, incoming: Incoming, limited: Callable[[int], None]) -> None:
    clara = make_person("Clara", "clara@lantern.example", house.organization, "editor")
    limited(6 * LARGE)
    incoming.take(with_file("eve@elsewhere.example"))
    incoming.read()
    [row] = queries.page(house.organization, "open", clara, 1).rows
    actions.delete(row.row, by=clara, now=now())
    assert mail_space.room(house.organization).used == 0


def test_of_what_the_listener_took_the_large_ones_wait_and_hold_nobody_up(
    house: House, incoming: Incoming, limited: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    for raw, to in (
        (from_stranger(), "news@lantern.example"),
        (bounce(caught.sender, caught.recipient), caught.sender),
    ):
        spool(house, raw, to)
    limited(LARGE)
    assert spooled.take_in(now().date(), lambda: False) == 1
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}
    limited(10 * LARGE)
    assert spooled.take_in(now().date(), lambda: False) == 1
    assert not [*mail_spool.waiting(mail_spool.folder())]


def spool(house: House, raw: bytes, to: str) -> None:
    from samizdat.core.mail.incoming_envelope import Envelope, EnvelopeSealer

    mail_spool.folder().mkdir(mode=0o700, exist_ok=True)
    sealer = EnvelopeSealer(bytes(house.organization.uid), intake.box_key(house.organization), b"e" * 32)
    box = sealer.seal(Envelope((to,), len(raw), raw), b"n" * 12)
    mail_spool.MailSpool(mail_spool.folder()).put(bytes(house.organization.uid), box)
