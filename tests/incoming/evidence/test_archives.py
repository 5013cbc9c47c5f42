"""Mailboxes as groups have them on their disks, whole and damaged."""

import zipfile
from pathlib import Path

import pytest

from samizdat.core.evidence.reading import Rules
from samizdat.incoming.evidence import archives, mailboxes
from tests.core.evidence import emails

RULES = Rules(frozenset({emails.OWN}))
ADA, BORIS = emails.mailchimp("ada@reader.example"), emails.left("boris@reader.example")
MBOX = b"\n".join(b"From x@y.example Mon Jan  3 10:00:00 2022\n" + email for email in (ADA, BORIS))


def read(*paths: Path) -> dict[str, str]:
    """Address -> standing."""
    fold = mailboxes.read(paths, RULES)
    return {evidence.address: evidence.status for evidence in fold.addresses(frozenset({emails.SERVER}))}


BOTH = {"ada@reader.example": "subscribed", "boris@reader.example": "unsubscribed"}


def test_an_mbox(tmp_path: Path) -> None:
    file = tmp_path / "Inbox"
    file.write_bytes(MBOX)
    assert read(file) == BOTH
    file.write_bytes(MBOX.replace(b"\n", b"\r\n"))
    assert read(file) == BOTH


def test_a_maildir_with_folders(tmp_path: Path) -> None:
    for folder, name, email in ((".", "1.M1.host", ADA), (".Bounces", "2.M2.host:2,S", BORIS)):
        for kind in ("cur", "new", "tmp"):
            (tmp_path / folder / kind).mkdir(parents=True)
        (tmp_path / folder / "cur" / name).write_bytes(email)
        (tmp_path / folder / "tmp" / "half").write_bytes(email.replace(b"@reader", b"@half"))
    (tmp_path / "dovecot.index").write_bytes(b"\0\1\2")
    assert read(tmp_path) == BOTH


def test_a_folder_of_mail_files_and_one_alone(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(ADA)
    trailing = b'<?xml version="1.0"?><plist><string>Email: nobody@reader.example</string></plist>'
    (tmp_path / "b.emlx").write_bytes(b"%-10d\n" % len(BORIS) + BORIS + trailing)
    (tmp_path / "notes.txt").write_bytes(b"From ada to boris\n")
    assert read(tmp_path) == BOTH
    assert read(tmp_path / "a.eml") == {"ada@reader.example": "subscribed"}


def test_the_zip_of_google_takeout(tmp_path: Path) -> None:
    file = tmp_path / "takeout.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("Takeout/archive_browser.html", "<html>")
        box.writestr("Takeout/Mail/All mail Including Spam and Trash.mbox", MBOX)
    assert read(file) == BOTH


def test_a_folder_that_leads_back_to_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(ADA)
    (tmp_path / "again").symlink_to(tmp_path)
    assert mailboxes.read([tmp_path], RULES).counts.emails == 1


def test_what_breaks_its_reader_holds_up_no_other(tmp_path: Path) -> None:
    levels = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(400))
    (tmp_path / "a.eml").write_bytes(ADA)
    (tmp_path / "b.eml").write_bytes(levels)
    (tmp_path / "c.eml").write_bytes(BORIS)
    fold = mailboxes.read([tmp_path], RULES)
    assert (fold.counts.emails, fold.counts.unreadable, fold.counts.ours) == (3, 1, 2)


def test_an_email_that_is_larger_than_memory_is_passed_over_and_those_around_it_are_read(tmp_path: Path) -> None:
    """3 GB of nothing, as a sparse file: as an .eml file, and in front of what follows it."""
    begins = b"From x@y.example Mon Jan  3 10:00:00 2022\n"
    (tmp_path / "a.mbox").write_bytes(MBOX)
    with (tmp_path / "b.eml").open("wb") as file:
        file.write(emails.mailchimp("large@reader.example"))
        file.seek(3 << 30)
        file.write(b"\n")
    with (tmp_path / "c.mbox").open("wb") as file:
        file.write(begins + emails.email("x@y.example", "Large", "x"))
        file.seek(100 << 20)
        file.write(b"\n\n" + begins + emails.left("ada@reader.example"))
    fold = mailboxes.read([tmp_path], RULES)
    assert (fold.counts.emails, fold.counts.unreadable) == (5, 2)
    standing = {one.address: one.status for one in fold.addresses(frozenset({emails.SERVER}))}
    assert standing == {"ada@reader.example": "unsubscribed", "boris@reader.example": "unsubscribed"}


@pytest.mark.parametrize("charset", [b"utf-7", b"x-nonsense", b"koi8-r", b"idna", b"rot13", b"zip", b'"', b"utf-8\0"])
def test_a_charset_that_is_wrong_hides_nobody(tmp_path: Path, charset: bytes) -> None:
    raw = emails.left("ada@reader.example").replace(b"First Name: Ada", b"First Name: \xc1\xc4\xc1")
    (tmp_path / "a.eml").write_bytes(
        raw.replace(b"\nDate:", b"\nContent-Type: text/plain; charset=" + charset + b"\nDate:")
    )
    assert read(tmp_path) == {"ada@reader.example": "unsubscribed"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("list.csv", b"Email\nada@reader.example\n", "mailbox_none"),
        ("empty.mbox", b"", "mailbox_none"),
        ("mail.pst", b"!BDN" + b"\0" * 100, "mailbox_outlook"),
        ("torn.zip", b"PK\3\4" + b"x" * 200, "torn_zip"),
    ],
)
def test_what_is_no_mailbox_is_a_sentence(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(archives.BadArchive) as refused:
        read(file)
    assert refused.value.code == code
    assert name in str(refused.value)


def test_zips_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "takeout.zip"
    for method, code in ((zipfile.ZIP_LZMA, "strange_zip"), (zipfile.ZIP_BZIP2, "strange_zip")):
        with zipfile.ZipFile(file, "w", method) as box:
            box.writestr("a.mbox", MBOX)
        with pytest.raises(archives.BadArchive, match=r"takeout\.zip") as refused:
            read(file)
        assert refused.value.code == code
    with zipfile.ZipFile(file, "w") as box:
        box.writestr("readme.html", "<html>")
    with pytest.raises(archives.BadArchive, match="no emails"):
        read(file)
    with zipfile.ZipFile(file, "w") as box:
        box.writestr("a.mbox", MBOX)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"New Subscriber", b"New Subscribex"))
    with pytest.raises(archives.BadArchive, match="damaged"):
        read(file)
    # Bit 0 of the flags in the local header and in the directory says that it is encrypted.
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(locked)
    with pytest.raises(archives.BadArchive, match="password"):
        read(file)
