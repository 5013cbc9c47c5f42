"""A list whose emails too many report as spam stops until an admin says why it may go on."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.campaigns.models import Campaign
from samizdat.core.mail.complaint_rules import ALARM, STOP
from samizdat.delivery.actions import complaints, resume
from samizdat.delivery.complaint_stop import stopped
from samizdat.delivery.errors import NothingStopped, NotReleasable
from samizdat.delivery.models import ProviderTotal
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.incoming import complaint_proof
from tests.delivery.conftest import House
from tests.incoming.conftest import Incoming, complaint, now
from tests.smtp_server import Caught

GMAIL = 1


def complain(incoming: Incoming, sent: dict[str, Caught], people: list[str]) -> None:
    for address in people:
        incoming.complain(sent[address].content)
    incoming.read()


def at_gmail(house: House, people: list[str]) -> list[str]:
    return [address for address in people if house.number(address) % 3 == GMAIL]


def kinds() -> list[str]:
    return [kind for kind in Event.objects.order_by("pk").values_list("kind", flat=True) if "complaints" in kind]


@pytest.fixture
def readers(house: House) -> list[str]:
    return house.people(24)


def test_admins_are_told_once_before_the_list_stops(house: House, incoming: Incoming, readers: list[str]) -> None:
    sent, angry = incoming.send(), at_gmail(house, readers)
    complain(incoming, sent, angry[: ALARM.least - 1])
    assert kinds() == []
    complain(incoming, sent, angry[ALARM.least - 1 : STOP.least - 1])
    assert kinds() == ["list.complaints_alarm"]
    assert stopped(house.organization, house.list.pk) is None
    detail = detail_of(Event.objects.select_related("organization").get(kind="list.complaints_alarm"))
    assert (detail["provider"], detail["delivered"]) == ("gmail", 8)


def test_a_list_that_too_many_complain_about_is_sent_to_after_an_admins_reason_alone(
    house: House, incoming: Incoming, readers: list[str]
) -> None:
    sent, angry = incoming.send(), at_gmail(house, readers)
    later = house.released(at=now() + timedelta(days=365))
    complain(incoming, sent, angry[: STOP.least])
    assert stopped(house.organization, house.list.pk) is not None
    later.refresh_from_db()
    assert (later.state, later.reason) == ("paused", "complaints")
    with pytest.raises(NotReleasable, match="reported emails of this list as spam"):
        house.released()
    with pytest.raises(NotReleasable, match="reported emails of this list as spam"):
        resume(later, now=now())
    with pytest.raises(NothingStopped, match="Enter why"):
        complaints.resume_list(later, "  ", now=now())
    assert complaints.resume_list(later, "An old import; we removed it.", now=now()) == 1
    assert (later.state, later.reason) == ("scheduled", "")
    event = Event.objects.select_related("organization").get(kind="list.complaints_resumed")
    assert detail_of(event)["why"] == "An old import; we removed it."
    assert set(incoming.send()) == set(readers) - set(angry[: STOP.least])


def test_complaints_that_an_admin_has_seen_stop_no_list_again(
    house: House, incoming: Incoming, readers: list[str]
) -> None:
    sent, angry = incoming.send(), at_gmail(house, readers)
    complain(incoming, sent, angry[: STOP.least])
    complaints.resume_list(Campaign.objects.get(), "Seen.", now=now())
    complain(incoming, sent, angry[STOP.least :])
    assert stopped(house.organization, house.list.pk) is None


def test_a_few_of_very_many_at_a_mailbox_provider_stop_nothing(
    house: House, incoming: Incoming, readers: list[str]
) -> None:
    sent, angry = incoming.send(), at_gmail(house, readers)
    ProviderTotal.objects.filter(provider=GMAIL).update(count=10_000)
    complain(incoming, sent, angry)
    assert kinds() == []


def test_forged_complaints_stop_no_list(house: House, incoming: Incoming, readers: list[str]) -> None:
    sent = incoming.send()
    for address in readers:
        content = sent[address].content.replace(b"lantern.example", b"elsewhere.example")
        incoming.take(complaint(untokened(content)), "bounces@lantern.example")
    incoming.read()
    assert kinds() == [] and incoming.suppressed() == set()


@pytest.mark.parametrize("at", ["", "elsewhere.example", "yahoo.com"])
def test_complaints_with_the_tokens_of_forwarded_emails_stop_no_list(
    house: House, incoming: Incoming, readers: list[str], at: str
) -> None:
    """Of their subscribers they are believed, as the unsubscribe link of the same email is. Whoever has an address at
    Yahoo has what they write signed by Yahoo, but not under the address of its feedback loop."""
    sent, angry = incoming.send(), at_gmail(house, readers)
    for address in angry:
        if at:
            incoming.complain(sent[address].content, at)
        else:
            incoming.take(complaint(sent[address].content), "bounces@lantern.example")
    incoming.read()
    assert stopped(house.organization, house.list.pk) is None and kinds() == ["list.complaints_alarm"]
    assert incoming.suppressed() == {f"complaint {address}" for address in angry}
    complain(incoming, sent, angry)
    assert stopped(house.organization, house.list.pk) is not None


def test_a_signature_that_does_not_hold_proves_no_complaint(
    house: House, incoming: Incoming, readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaint_proof, "asker", lambda _patience: lambda _name, _kind: None)
    complain(incoming, incoming.send(), at_gmail(house, readers))
    assert stopped(house.organization, house.list.pk) is None


def untokened(content: bytes) -> bytes:
    """Without what only the recipient has."""
    head, _blank, body = content.partition(b"\r\n\r\n")
    kept: list[bytes] = []
    for line in head.split(b"\r\n"):
        ours = (b"message-id", b"list-unsubscribe", b"return-path", b" ", b"\t")
        if not line.lower().startswith(ours):
            kept.append(line)
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def test_a_complaint_that_is_lost_with_its_transaction_stops_nothing(
    house: House, incoming: Incoming, readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, angry = incoming.send(), at_gmail(house, readers)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("samizdat.delivery.actions.running.pause_for_complaints", killed)
        later = house.released(at=now() + timedelta(days=365))
        with pytest.raises(KeyboardInterrupt):
            complain(incoming, sent, angry[: STOP.least])
    assert stopped(house.organization, house.list.pk) is None
    incoming.read()
    later.refresh_from_db()
    assert later.state == "paused" and kinds() == ["list.complaints_stopped"]
