"""The local sendmail command: its arguments, its exit codes, and what it says."""

# ruff: noqa: E501  (tables are read one row a line)

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat.core.mail.outcome import Accepted, Deferred, Refused, Unsure
from samizdat.transports.providers.sendmail import LAST_WORDS, MOST
from tests.bad_input.saying import until
from tests.transports.contract import FakeSendmail
from tests.transports.desk import Desk, carried, carry, letter, letters, probe

ADA, BORIS = (letter(f"{name}@north.example", number) for number, name in enumerate(("ada", "boris")))


@pytest.fixture
def sendmail(tmp_path: Path) -> Iterator[FakeSendmail]:
    with FakeSendmail.open(tmp_path) as fake:
        yield fake


def test_no_other_user_of_the_machine_sees_whom_a_letter_is_for(sendmail: FakeSendmail) -> None:
    """The command line is in /proc for everybody; the command reads the recipient from the letter."""
    carry(sendmail.url, [ADA])
    assert (sendmail.folder / "arguments").read_text().splitlines() == ["-t", "-i", "-f", "news@lantern.example"]
    assert sendmail.taken == ["ada@north.example"]


@pytest.mark.parametrize(
    "head",
    [
        b"To: ada@north.example\r\n",
        b"To: <ada@north.example>\r\n",
        b"To: Ada <ada@north.example>\r\n",
        b'To: "A. Lovelace, Countess" <ada@north.example>\r\n',
        b"To: =?utf-8?b?0JDQtNCw?= <ada@north.example>\r\n",
        b"To: =?utf-8?b?0JDQtNCw?=\r\n =?utf-8?b?0JDQtNCw?=\r\n <ada@north.example>\r\n",
    ],
)
def test_a_letter_to_one_reader_goes_out(sendmail: FakeSendmail, head: bytes) -> None:
    desk, _ = carry(sendmail.url, [letter("ada@north.example", content=b"Subject: x\r\n" + head + b"\r\nTo: y\r\n")])
    assert sendmail.taken == ["ada@north.example"] and not desk.refused


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"To: boris@north.example\r\n",
        b"To: ada@north.example, boris@north.example\r\n",
        b"To: ada@north.example\r\n ,boris@north.example\r\n",
        b"To: boris@north.example <ada@north.example>\r\n",
        b'To: "x, boris@north.example," <ada@north.example>\r\n',
        b'To: "x\\", boris <ada@north.example>\r\n',
        b"To: (x <boris@north.example>) <ada@north.example>\r\n",
        b"To: all: <ada@north.example>\r\n",
        b"To: ada@north.example\r\nto : boris@north.example\r\n",
        b"To: ada@north.example\r\nBCC: boris@north.example\r\n",
        b"To: ada@north.example\r\nResent-To: boris@north.example\r\n",
        b"To: ada@north.example.evil.example\r\n",
    ],
)
def test_a_letter_that_a_mail_program_could_send_to_somebody_else_goes_to_nobody(
    sendmail: FakeSendmail, head: bytes
) -> None:
    message = letter("ada@north.example", content=b"Subject: x\r\n" + head + b"\r\nHello\r\n")
    desk, _ = carry(sendmail.url, [message])
    assert desk.refused == ["ada@north.example"] and not sendmail.taken


def test_a_letter_without_a_return_address_says_so(sendmail: FakeSendmail) -> None:
    message = letter("ada@north.example")
    message.sender = ""
    carry(sendmail.url, [message])
    assert "<>" in (sendmail.folder / "arguments").read_text().split("\n")


def test_the_command_sees_nothing_of_our_environment(sendmail: FakeSendmail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:secret@db.example/house")
    carry(sendmail.url, [ADA])
    names = {line.partition("=")[0] for line in (sendmail.folder / "environment").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "HOME", "TZ", "PWD", "SHLVL", "_", "OLDPWD"}


def test_lines_of_the_letter_end_as_on_this_machine(sendmail: FakeSendmail) -> None:
    carry(sendmail.url, [letter("ada@north.example", content=b"To: ada@north.example\r\n\r\n.\r\nFrom here\r\n")])
    [file] = (sendmail.folder / "out").glob("*.eml")
    assert file.read_bytes() == b"To: ada@north.example\n\n.\nFrom here\n"


@pytest.mark.parametrize(
    "recipient",
    ["-oQ/tmp@x.example", "a,b@x.example", "a@x.example,b@x.example", "|sh@x.example", '"a b"@x.example', "ada", "a;b@x.example"],
)  # fmt: skip
def test_what_a_command_line_could_misread_is_not_given_to_it(sendmail: FakeSendmail, recipient: str) -> None:
    desk, _ = carry(sendmail.url, [letter(recipient, content=b"x\r\n"), ADA])
    assert desk.refused == [recipient]
    assert sendmail.taken == ["ada@north.example"]


# exit code, what it said -> kind of outcome and its scope, state of the route and its reason
ENDED = [
    (0, "", "accepted", "", "ok", "ok"),
    (64, "usage: sendmail", "deferred", "route", "dead", "command_failed"),
    (65, "", "refused", "message", "ok", "ok"),
    (66, "cannot open input", "deferred", "route", "dead", "command_failed"),
    (67, "", "refused", "recipient", "ok", "ok"),
    (67, "boris@north.example... User unknown", "refused", "recipient", "ok", "ok"),
    (68, "host not found", "deferred", "recipient", "ok", "ok"),
    (69, "", "deferred", "recipient", "ok", "ok"),
    (70, "internal error", "deferred", "route", "throttled", "command_busy"),
    (71, "cannot fork", "deferred", "route", "throttled", "command_busy"),
    (72, "/etc/postfix/main.cf: no such file", "deferred", "route", "dead", "command_failed"),
    (73, "cannot create queue file", "deferred", "route", "throttled", "command_busy"),
    (74, "write error: no space left", "deferred", "route", "throttled", "command_busy"),
    (75, "", "deferred", "recipient", "ok", "ok"),
    (75, "boris@north.example... Deferred: Connection refused by [127.0.0.1]", "accepted", "", "ok", "ok"),
    (75, "greylisted", "deferred", "recipient", "ok", "ok"),
    (76, "", "deferred", "recipient", "ok", "ok"),
    (77, "no permission to submit", "deferred", "route", "dead", "command_failed"),
    (78, "no account default", "deferred", "route", "dead", "command_failed"),
    (127, "", "deferred", "route", "dead", "command_failed"),
    (1, "something", "deferred", "recipient", "ok", "ok"),
    (217, "", "deferred", "recipient", "ok", "ok"),
    # What msmtp passes on from its relay
    (77, "msmtp: authentication failed (method PLAIN)\nmsmtp: server message: 535 5.7.8 no", "deferred", "route", "dead", "login"),
    (65, "msmtp: recipient address boris@north.example not accepted by the server\nmsmtp: server message: 550 5.1.1 no such user", "refused", "recipient", "ok", "ok"),
    (65, "msmtp: recipient address boris@north.example not accepted\nmsmtp: server message: 554 5.7.1 Relay access denied", "deferred", "route", "dead", "relay_denied"),
    (65, "msmtp: the server did not accept the mail\nmsmtp: server message: 550 5.4.5 Daily user sending limit exceeded", "deferred", "throttle", "throttled", "quota"),
    (65, "msmtp: cannot get initial OK message from server\nmsmtp: server message: 554 no", "deferred", "route", "dead", "refused"),
    (65, "msmtp: something new\nmsmtp: server message: 554 no", "deferred", "config", "config", "sender"),
    (69, "msmtp: the server sent an empty reply", "unsure", "", "throttled", "command_busy"),
    (74, "msmtp: network read error: the operation timed out", "unsure", "", "throttled", "command_busy"),
    (75, "msmtp: cannot connect to 127.0.0.1, port 1: Connection refused", "deferred", "route", "throttled", "command_busy"),
    (68, "msmtp: cannot locate host relay.example: Name or service not known", "deferred", "route", "throttled", "command_busy"),
    (65, "msmtp: envelope from address news@lantern.example not accepted\nmsmtp: server message: 553 not yours", "deferred", "config", "config", "sender"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words", "kind", "scope", "state", "reason"), ENDED)
def test_an_exit_code_means(
    sendmail: FakeSendmail, code: int, words: str, kind: str, scope: str, state: str, reason: str
) -> None:
    (sendmail.folder / "words").write_text(words)
    sendmail.on(f'cat "$here/words" >&2; exit {code}')
    desk, verdict = carry(sendmail.url, [BORIS])
    outcome = desk.told[BORIS.recipient]
    assert type(outcome) is {"accepted": Accepted, "deferred": Deferred, "refused": Refused, "unsure": Unsure}[kind]
    assert getattr(outcome, "scope", "") == scope
    assert (verdict.state, verdict.reason) == (state, reason)
    assert "boris" not in getattr(outcome, "text", "")
    if state != "ok":
        assert "boris" not in verdict.sentence
        assert verdict.values["detail"] == str(sendmail.command)


def test_a_command_that_leaves_a_child_behind_is_not_waited_for(sendmail: FakeSendmail) -> None:
    async def go() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await carried(sendmail.url, Desk([ADA]))
        return loop.time() - began

    sendmail.on("take; (sleep 5) & exit 0")
    assert asyncio.run(go()) < LAST_WORDS + 2


def test_a_command_that_hangs_is_ended_with_all_it_began(sendmail: FakeSendmail) -> None:
    sendmail.on('sleep 3600 & echo $! >"$here/child"; wait')
    desk, _ = carry(sendmail.url, [ADA], timeout=0.4)
    assert desk.unsure == [ADA.recipient]
    child = int((sendmail.folder / "child").read_text())
    until(lambda: not lives(child))


def lives(process: int) -> bool:
    """Killed, it may need a moment on a busy machine, and whose child it then is takes it away at leisure."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    except FileNotFoundError:
        return False


def test_no_more_commands_than_a_disk_can_bear(sendmail: FakeSendmail) -> None:
    async def go() -> None:
        desk = Desk(letters(200))
        desk.on_finishing = lambda message: out.append(len(desk.taken) - len(desk.told))
        await carried(sendmail.url, desk, connections=500)

    out: list[int] = []
    sendmail.be_slow()
    asyncio.run(go())
    assert max(out) <= MOST


def test_no_file_stays_open(sendmail: FakeSendmail) -> None:
    before = len(os.listdir("/proc/self/fd"))
    carry(sendmail.url, letters(20), connections=4)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("how", ["gone", "no right", "a folder", "no program"])
def test_a_command_that_cannot_be_run_takes_the_route_down(sendmail: FakeSendmail, how: str, tmp_path: Path) -> None:
    if how == "gone":
        sendmail.command.unlink()
    elif how == "no right":
        sendmail.command.chmod(0o600)
    elif how == "a folder":
        sendmail.command.unlink()
        sendmail.command.mkdir()
    else:
        sendmail.command.write_bytes(b"\x00\x01")
    desk, verdict = carry(sendmail.url, [ADA, BORIS])
    assert verdict.state == ("throttled" if how == "no program" else "dead")
    assert len(desk.deferred) == 1
    assert str(sendmail.command) in verdict.sentence
    if how != "no program":
        assert probe(sendmail.url).reason == "command_missing"
