"""An email with a code from paper locks an organization, whoever sends it; the code is kept nowhere."""

import logging

import pytest

from samizdat.core.mail import lock_words
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.delivery.actions import key_locks
from samizdat.events.models import Event
from samizdat.incoming import lock_by_mail, processing
from samizdat.incoming.models import Conversation, IncomingMail
from samizdat.vault import keyring, lock_codes, locks
from samizdat.vault.models import LockCodeSet
from tests.delivery.conftest import House
from tests.incoming.conftest import Incoming, now

ADDRESS = "bounces+lock@lantern.example"


def mail(text: str, to: str = ADDRESS) -> bytes:
    return f"From: stranger@elsewhere.example\r\nTo: {to}\r\nSubject: Hello\r\n\r\n{text}\r\n".encode()


def codes(house: House) -> list[str]:
    return key_locks.make_codes(house.organization, 3, by=None, now=now())


def is_locked(house: House) -> bool:
    return locks.state(house.organization) is not None


def test_a_code_locks_whoever_sends_it_and_only_once(house: House, incoming: Incoming) -> None:
    code = codes(house)[1]
    incoming.take(mail(code), ADDRESS)
    processing.process(house.organization, now())
    assert is_locked(house)
    assert not IncomingMail.objects.exists(), "the email is gone"
    row = locks.state(house.organization)
    assert row is not None and key_locks.was_by_mail(row)
    key_locks.unlock(house.organization, by=None, now=now())
    known = lock_codes.state(house.organization)
    assert known is not None and (known.count, len(known.left)) == (3, 2)
    incoming.take(mail(code), ADDRESS)
    processing.process(house.organization, now())
    assert not is_locked(house), "it was used"


def test_a_code_sent_to_the_mailbox_itself_counts_too(house: House, incoming: Incoming) -> None:
    incoming.take(mail(codes(house)[0], "bounces@lantern.example"), "bounces@lantern.example")
    processing.process(house.organization, now())
    assert is_locked(house)


def test_a_wrong_code_does_nothing_and_is_kept_nowhere(
    house: House, incoming: Incoming, caplog: pytest.LogCaptureFixture
) -> None:
    codes(house)
    before = Event.objects.count()
    incoming.take(mail(lock_words.spelled(12345)), ADDRESS)
    with caplog.at_level(logging.DEBUG):
        processing.process(house.organization, now())
    assert not is_locked(house)
    assert not IncomingMail.objects.exists() and not Conversation.objects.exists()
    assert Event.objects.count() == before and lock_words.spelled(12345) not in caplog.text


def test_new_codes_replace_those_on_older_paper(house: House, incoming: Incoming) -> None:
    old, new = codes(house)[0], codes(house)[0]
    assert not key_locks.lock_by_code(house.organization, [old], now=now())
    assert key_locks.lock_by_code(house.organization, [old, new], now=now())


def test_what_is_stored_has_no_code_in_it(house: House) -> None:
    made = codes(house)
    row = LockCodeSet.objects.get()
    opened = keyring.keys(house.organization).open(row.sealed, "lockcodeset", "sealed", house.organization.pk)
    for code in made:
        assert code.encode() not in opened and code.split()[0].encode() not in opened


def test_an_ordinary_email_is_read_as_before_beside_a_wrong_code(house: House, incoming: Incoming) -> None:
    codes(house)
    incoming.take(mail("Thank you!", "bounces@lantern.example"), "bounces@lantern.example")
    incoming.take(mail("not a code"), ADDRESS)
    processing.process(house.organization, now())
    assert IncomingMail.objects.count() == 1


def test_the_address_is_that_of_the_mailbox(house: House, incoming: Incoming) -> None:
    assert lock_by_mail.addresses(house.organization)[0] == ADDRESS
    assert lock_by_mail.is_to_lock(house.organization, Envelope((f"<{ADDRESS.upper()}>",), 0, b""))
