"""What comes back by email: `samizdat mail take`, and mailboxes that are read."""

from pathlib import Path

from tests.cli.conftest import House
from tests.ports import free_port

MESSAGE = b"From: MAILER-DAEMON@relay.example\r\nSubject: Undelivered\r\n\r\nNo such user.\r\n"


def test_a_message_from_a_pipe_is_kept_until_the_worker_reads_it(house: House) -> None:
    house.init()
    assert house.say("mail", "take", "--to", "bounces@lantern.example", feed=MESSAGE.decode())["bytes"] > 0
    status = house.say("mail", "status")
    assert (status["waiting"], status["unreadable"], status["reports"]) == (1, 0, {})


def test_a_message_that_cannot_be_taken_stays_with_the_mail_server(house: House) -> None:
    house.init()
    result = house("mail", "take", feed="")
    assert (result.code, result.err) == (75, "There is no message on standard input.\n")
    result = house("mail", "take", "--organization", "nobody", feed=MESSAGE.decode())
    assert result.code == 75 and "nobody" in result.err


def test_a_bounce_with_all_that_came_back_is_taken_too(house: House) -> None:
    house.init()
    large = MESSAGE.decode() + "x" * (20 << 20)
    assert house.say("mail", "take", feed=large)["bytes"] == len(large)
    assert house.say("mail", "status")["waiting"] == 1


def test_without_room_a_message_stays_with_the_mail_server_and_doctor_says_what_to_do(house: House) -> None:
    house.init()
    house.say("mail", "take", feed=MESSAGE.decode())
    house.environment["SAMIZDAT_MAIL_STORAGE"] = "0"
    result = house("mail", "take", feed=MESSAGE.decode())
    expected = "There’s no room for more incoming email at the moment. samizdat doctor says what to do.\n"
    assert (result.code, result.err) == (75, expected)
    [sign] = [sign for sign in house("doctor", "--json").json["signs"] if sign["subject"].endswith(", incoming email")]
    assert sign["state"] == "red" and "wait to be read" in sign["sentence"]


def test_a_mailbox_is_changed_and_stays(house: House, tmp_path: Path) -> None:
    house.init()
    password = tmp_path / "password"
    password.write_text("a new one\n")
    password.chmod(0o600)
    here = f"localhost:{free_port()}"
    house("mail", "add", "bounces", f"imaps://back:secret@{here}/INBOX", "--delete")
    changed = house("mail", "edit", "bounces", "--move", "Read", "--password-file", str(password), "--name", "back")
    assert changed.err.startswith("Mailbox back changed, but it can't be read yet. The mail server can’t be reached.")
    house("mail", "edit", "back", "--url", f"imaps://back@{here}/Returned")
    [row] = house.say("mail", "ls")["mailboxes"]
    assert (row["name"], row["folder"], row["move_to"]) == ("back", "Returned", "Read")


def test_a_change_of_a_mailbox_says_what_is_missing(house: House) -> None:
    house.init()
    house("mail", "add", "bounces", f"imaps://back:secret@localhost:{free_port()}/INBOX", "--delete")
    assert "Give what changes" in house("mail", "edit", "bounces").err
    assert "Choose what happens" in house("mail", "edit", "bounces", "--delete", "--move", "Read").err
    assert "no mailbox called “nobody”" in house("mail", "edit", "nobody", "--delete").err
    refused = house("mail", "edit", "bounces", "--url", "imaps://back@imap.elsewhere.example/INBOX").err
    assert "needs a user name and a password" in refused
