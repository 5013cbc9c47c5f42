"""`samizdat rescue`: from old mailboxes to a list, by a proposal that a person confirms."""

from pathlib import Path
from typing import Any

import pytest

from tests.core.evidence import emails
from tests.imap_server import FakeImapServer
from tests.smtp_server import Certificates

ADA, BORIS, VERA, FAKE, BACK = (f"{name}@reader.example" for name in ("ada", "boris", "vera", "fake", "back"))
LATER = "Tue, 3 Jan 2023 10:00:00 +0000"


def mbox(*messages: bytes) -> bytes:
    return b"\n".join(b"From x@y.example Mon Jan  3 10:00:00 2022\n" + message for message in messages)


MAILBOX = mbox(
    emails.mailchimp(ADA),
    emails.mailchimp(BORIS),
    emails.wants_to_leave(BORIS, day=LATER),
    emails.bounce("dead@reader.example"),
    emails.complaint("angry@reader.example"),
    emails.mailchimp(FAKE, proven=False),
    emails.wrote(VERA),
    emails.left(BACK),
    emails.mailchimp(BACK, day=LATER),
    emails.email(emails.OWN, "Letter", "For you", to=ADA),
)
STATUSES = {"subscribed": 1, "unsubscribed": 2, "complained": 1, "cleaned": 1, "unproven": 1, "wrote": 1}


@pytest.fixture
def letter(house: Any, request: pytest.FixtureRequest) -> str:
    house.say("list", "new", name := request.node.name[:60])
    return name


@pytest.fixture
def words(letter: str, tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "old.mbox").write_bytes(MAILBOX)
    return ("rescue", "mailbox", str(tmp_path / "old.mbox"), "--list", letter, "--own", emails.OWN)


def test_a_look_says_what_the_mailboxes_prove_and_writes_nothing(
    house: Any, letter: str, words: tuple[str, ...]
) -> None:
    seen = house.say(*words, "--dry-run")
    assert {word: seen[word] for word in STATUSES} == STATUSES
    assert (seen["emails"], seen["received"], seen["to_you"], seen["server"]) == (10, 9, 9, [emails.SERVER])
    assert seen["came_back"] == 1
    assert "proposal" not in seen
    assert house.say("subscribers", "count", "--list", letter)["count"] == 0


def test_a_proposal_shows_the_evidence_and_comes_in_once_it_is_confirmed(
    house: Any, letter: str, words: tuple[str, ...]
) -> None:
    proposal = str(house.say(*words, "--basis", "The form on our site, 2022")["proposal"])
    assert house.say("subscribers", "count", "--list", letter)["count"] == 0
    shown = {row["address"]: row for row in house.say("rescue", "show", proposal)["addresses"]}
    assert shown[ADA]["evidence"] == "2022-01-03 Mailchimp: subscribed"
    assert (shown[BORIS]["status"], shown[BORIS]["left"]) == ("unsubscribed", "2023-01-03")
    assert shown[VERA]["status"] == "wrote"
    only = house.say("rescue", "show", proposal, "--status", "unproven")["addresses"]
    assert [row["address"] for row in only] == [FAKE]
    assert house("rescue", "confirm", proposal).code == 1  # Nobody was asked.
    came = house.say("rescue", "confirm", proposal)
    assert (came["added"], came["subscribed"], came["rejected"]) == (5, 1, 0)
    card = house.say("subscribers", "show", ADA)
    assert card["lists"][0]["status"] == "subscribed"
    assert (card["consent"][0]["day"], card["consent"][0]["wording"]) == ("2022-01-03", "The form on our site, 2022")
    for address in (BORIS, "dead@reader.example", "angry@reader.example", BACK):
        assert house.say("subscribers", "show", address)["lists"][0]["may"] is False
    for address in (VERA, FAKE):
        assert house("subscribers", "show", address).code == 1
    gone = house("rescue", "confirm", proposal, "--yes")
    assert gone.code == 1 and "No proposal" in gone.err


def test_a_proposal_lies_nowhere_in_the_clear(house: Any, words: tuple[str, ...]) -> None:
    house.say(*words)
    for file in house.data.rglob("*"):
        if file.is_file():
            assert b"@reader.example" not in file.read_bytes(), file


def test_old_tables_bring_nobody_back_who_left(house: Any, letter: str, words: tuple[str, ...]) -> None:
    house.say("rescue", "confirm", str(house.say(*words)["proposal"]))
    house.say("import", "-", "--list", letter, "--status", "subscribed", feed=f"{BORIS}\nnew@reader.example\n")
    assert house.say("subscribers", "count", "--list", letter, "--status", "subscribed")["count"] == 2
    assert house.say("subscribers", "show", BORIS)["lists"][0]["may"] is False


def test_somebody_elses_mailbox_is_refused(house: Any, words: tuple[str, ...]) -> None:
    stranger = house(*words[:-1], "news@other.example", "--json")
    assert (stranger.code, stranger.json["error"]) == (1, "foreign_mailbox")
    assert "somebody else's mailbox" in stranger.json["sentence"]


def test_where_no_server_says_who_sent_an_email_no_notice_counts(house: Any, letter: str, tmp_path: Path) -> None:
    bare = [emails.wrote(VERA).replace(b"Authentication-Results", b"X-Nothing")] * 5
    (tmp_path / "old.mbox").write_bytes(mbox(emails.mailchimp(ADA), *bare))
    words = ("rescue", "mailbox", str(tmp_path / "old.mbox"), "--list", letter, "--own", emails.OWN, "--dry-run")
    seen = house.say(*words)
    assert (seen["subscribed"], seen["unproven"], seen["server"]) == (0, 1, [])
    assert f"named in emails: {emails.SERVER} (1 emails)" in seen["warnings"][0]
    assert house.say(*words, "--server", emails.SERVER)["subscribed"] == 1


def test_words_of_a_subject_say_what_a_notice_means(house: Any, letter: str, tmp_path: Path) -> None:
    signed = {"results": "dkim=pass header.d=lantern.example"}
    notice = emails.email("form@lantern.example", "Neue Anmeldung", f"E-Mail: {ADA}", **signed)
    (tmp_path / "old.mbox").write_bytes(mbox(notice))
    words = ("rescue", "mailbox", str(tmp_path / "old.mbox"), "--list", letter, "--own", emails.OWN, "--dry-run")
    assert house.say(*words)["subscribed"] == 0
    means = ("--notices-from", "lantern.example", "--means", "neue anmeldung=subscribed")
    assert house.say(*words, *means)["subscribed"] == 1
    wrong = house(*words, "--means", "neue anmeldung")
    assert wrong.code == 2 and "--means 'New subscriber=subscribed'" in wrong.err


def test_what_proves_nothing_is_no_proposal(house: Any, letter: str, tmp_path: Path) -> None:
    (tmp_path / "old.mbox").write_bytes(mbox(emails.wrote(VERA)))
    words = ("rescue", "mailbox", str(tmp_path / "old.mbox"), "--list", letter, "--own", emails.OWN)
    nothing = house(*words)
    assert nothing.code == 1 and "prove nothing" in nothing.err
    missing = house(*words[:2], str(tmp_path / "none.mbox"), *words[3:])
    assert missing.code == 1 and "There's no file" in missing.err
    assert house(*words[:-2]).code == 2


def test_files_and_mailboxes_by_imap_are_one_proposal(
    house: Any, letter: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Whoever left in one is not subscribed by the other."""
    certificates, secret = Certificates(tmp_path), tmp_path / "password"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    folders = {"INBOX": [emails.mailchimp(VERA), emails.left(ADA)], "Spam": [emails.complaint(BACK)]}
    with FakeImapServer(certificates.issued("localhost"), folders) as server:
        url = f"imaps://ada%40old.example@localhost:{server.port}/?ca={certificates.ca}"
        imap = ("--imap", url, "--password-file", str(secret))
        look = house.say(*words, *imap, "--dry-run")
        assert {word: look[word] for word in ("subscribed", "unsubscribed", "complained")} == {
            "subscribed": 1,
            "unsubscribed": 2,
            "complained": 2,
        }
        fetched = server.fetched
        proposal = house.say(*words, *imap)["proposal"]
        assert server.fetched == fetched, "the dry run kept what it had read"
        shown = {entry["address"]: entry["status"] for entry in house.say("rescue", "show", str(proposal))["addresses"]}
        assert (shown[ADA], shown[VERA], shown[BACK]) == ("unsubscribed", "subscribed", "complained")
        assert not server.changes
        in_sight = house(*words, "--imap", url.replace("@localhost", ":secret@localhost"), "--json")
        assert (in_sight.code, in_sight.json["error"]) == (1, "bad_mailbox")
        unasked = house(*words, "--imap", url, "--json")
        assert (unasked.code, unasked.json["error"]) == (1, "no_password")
        secret.write_text("wrong\n")
        refused = house(*words, *imap)
        assert refused.code == 1 and "rejects the user name or password" in refused.err
    assert house("rescue", "mailbox", "--list", letter, "--own", emails.OWN).code == 2


def test_those_without_a_proven_yes_are_asked_once(house: Any, letter: str, words: tuple[str, ...]) -> None:
    Path(words[2]).write_bytes(MAILBOX.replace(b"@reader.example", b"@asked.example"))
    proposal = str(house.say(*words)["proposal"])
    came = house.say("rescue", "confirm", proposal, "--with-left-out")
    assert (came["added"], came["subscribed"]) == (7, 1)
    for address in ("vera@asked.example", "fake@asked.example"):
        card = house.say("subscribers", "show", address)
        assert (card["lists"][0]["status"], card["lists"][0]["may"]) == ("nonsubscribed", False)
        assert "ask-once" in card["tags"]
    unset = house("rescue", "ask", "--list", letter, "--json")
    assert (unset.code, unset.json["error"]) == (1, "no_sender")


def test_tables_and_mailboxes_become_one_proposal(
    house: Any, letter: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "form.csv").write_text(f"2018-03-02 10:00;{VERA}\n2021-03-02 10:00;{BORIS}\n")
    (tmp_path / "list 2019.csv").write_text("Email,Name\nlida@reader.example,Lida\n")
    (tmp_path / "gifts.csv").write_text(f"Date,Donor Email,Amount\n2019-03-02,{VERA},100\n")
    files = [str(tmp_path / name) for name in ("form.csv", "list 2019.csv", "gifts.csv")]
    seen = house.say("rescue", "mailbox", *files, *words[2:], "--form-signups")
    assert (seen["subscribed"], seen["unsubscribed"], seen["listed"], seen["rows"]) == (2, 2, 1, 3)
    assert any("gifts.csv lists gifts" in warning for warning in seen["warnings"])
    shown = {row["address"]: row for row in house.say("rescue", "show", str(seen["proposal"]))["addresses"]}
    assert shown[VERA]["evidence"] == "2018-03-02 form.csv: signed up; 2022-01-03 email: wrote to you"
    assert shown[BORIS]["status"] == "unsubscribed"
    assert shown["lida@reader.example"]["evidence"] == "2019-01-01 – 2019-12-31 list 2019.csv: was on the list"


def test_tables_alone_need_no_address_of_the_group_and_mailboxes_do(
    house: Any, letter: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "form.csv").write_text(f"2018-03-02 10:00;{VERA}\n")
    alone = house.say("rescue", "mailbox", str(tmp_path / "form.csv"), "--list", letter, "--form-signups", "--dry-run")
    assert alone["subscribed"] == 1
    asked = house("rescue", "mailbox", str(tmp_path / "old.mbox"), "--list", letter)
    assert asked.code == 2 and "--own" in asked.err
