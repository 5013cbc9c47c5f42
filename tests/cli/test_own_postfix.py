"""What doctor says of a Postfix on this machine, whose commands are stood in for."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samizdat.delivery import local_postfix
from samizdat.health import own_postfix

GOOD = {
    "myhostname": "mail.lantern.example",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "smtp_tls_security_level": "may",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "smtpd_recipient_restrictions": "",
}
LOCAL = [SimpleNamespace(state="live", scheme="sendmail", host="")]
Look = Callable[..., list[tuple[str, str]]]


def waits(reason: str) -> str:
    recipients = [{"address": "ada@post.example", "delay_reason": reason}]
    return json.dumps({"queue_name": "deferred", "recipients": recipients}) + "\n"


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """look(queue, setting=value…): state and sentence of each sign."""
    monkeypatch.setattr(local_postfix, "PLACES", str(tmp_path))
    leads = {"mail.lantern.example": ["192.0.2.7"]}
    monkeypatch.setattr(own_postfix, "_addresses", lambda name: leads.get(name, []))
    monkeypatch.setattr(own_postfix, "_names", lambda address: {"mail.lantern.example"})

    def looked(queue: str | None = "", routes: Any = LOCAL, **settings: str) -> list[tuple[str, str]]:
        values = {**GOOD, **settings}
        values.setdefault("smtp_helo_name", values["myhostname"])
        printed = "\n".join(f"{name} = {value}" for name, value in values.items())
        scripts = {"postconf": printed, "postqueue": queue}
        for name, output in scripts.items():
            (tmp_path / f"{name}.out").write_text(output or "")
            script = f"#!/bin/sh\ncat {tmp_path}/{name}.out\n" if output is not None else "#!/bin/sh\nexit 69\n"
            (tmp_path / name).write_text(script)
            (tmp_path / name).chmod(0o755)
        return [(sign.state, sign.sentence) for sign in own_postfix.look(routes)]

    return looked


def test_one_that_is_set_up_well_is_well(look: Look) -> None:
    assert look() == [("good", "It sends as mail.lantern.example.")]


def test_it_is_not_looked_at_where_no_route_leads_to_it(look: Look) -> None:
    assert look(routes=[SimpleNamespace(state="live", scheme="smtp", host="relay.example")]) == []
    assert look(routes=[SimpleNamespace(state="live", scheme="smtp+plain", host="127.0.0.1")]) != []


@pytest.mark.parametrize("name", ["debian", "localhost.localdomain", "box.local", ""])
def test_a_name_that_nobody_can_look_up_is_named(look: Look, name: str) -> None:
    [(state, sentence)] = look(myhostname=name)
    assert state == "red" and "postconf -e myhostname=" in sentence


def test_a_name_without_an_address_and_an_address_without_the_name_are_named(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "leads nowhere" in look(myhostname="mail.other.example")[0][1]
    monkeypatch.setattr(own_postfix, "_names", lambda address: {"vps7.hoster.example"})
    [(state, sentence)] = look()
    assert state == "red" and "192.0.2.7 doesn’t lead back to mail.lantern.example" in sentence


def test_another_name_in_helo_is_named_and_is_the_one_that_receivers_look_up(look: Look) -> None:
    (state, sentence), (_state, lookup) = look(smtp_helo_name="vps7.hoster.example")
    assert state == "amber" and "“vps7.hoster.example”" in sentence and "postconf -X smtp_helo_name" in sentence
    assert "vps7.hoster.example leads nowhere" in lookup


@pytest.mark.parametrize(
    "settings",
    [
        {"smtpd_relay_restrictions": "permit"},
        {"smtpd_relay_restrictions": ""},
        {"mynetworks": "127.0.0.0/8, 0.0.0.0/0"},
    ],
)
def test_one_through_which_anybody_can_send_is_named(look: Look, settings: dict[str, str]) -> None:
    [(state, sentence)] = look(**settings)
    assert state == "red" and "postconf -e" in sentence


def test_one_that_sends_without_encryption_is_named(look: Look) -> None:
    [(state, sentence)] = look(smtp_tls_security_level="")
    assert state == "amber" and "smtp_tls_security_level=may" in sentence


def test_a_closed_port_25_is_named_and_no_address_is_shown(look: Look) -> None:
    [(state, sentence)] = look(waits("connect to mx.post.example[192.0.2.9]:25: Connection timed out") * 3)
    assert state == "red" and "3 emails wait" in sentence and "port 25" in sentence and "@" not in sentence


def test_what_waits_for_another_reason_is_counted(look: Look) -> None:
    [(state, sentence)] = look(waits("host mx.post.example said: 451 4.7.1 Greylisted") + "not json\n")
    assert (state, sentence) == ("amber", "2 emails wait in its queue. The reasons: mailq")


def test_one_that_does_not_run_is_named(look: Look) -> None:
    [(state, sentence)] = look(None)
    assert state == "red" and "postfix start" in sentence
