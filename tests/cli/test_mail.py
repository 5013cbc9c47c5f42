"""A mail server hands over what came back: `samizdat mail take`."""

from tests.cli.conftest import House

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
