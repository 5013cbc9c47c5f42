"""Exports of whole accounts as they come: in other alphabets, saved again, with odd names, and made to harm."""

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.account_export import AccountContents, AccountItem
from samizdat.core.imports import ImportFailed
from samizdat.importers.mailchimp_account import MailchimpAccountExport
from tests.importers.accounts import ACCOUNT, OTHER, USER, page, written

HEAD = "Title;Subject;Audience;Send Date;Total Recipients;Unique Id\n"


def read(path: Path) -> tuple[AccountContents, list[AccountItem]]:
    with path.open("rb") as file, MailchimpAccountExport(path.name, file) as account:
        return account.contents(), [*account.items()]


def titles(items: list[AccountItem], kind: str) -> set[tuple[str, str]]:
    return {(item.name, item.subject) for item in items if item.kind == kind}


def test_a_table_saved_by_a_russian_spreadsheet_is_read(tmp_path: Path) -> None:
    table = HEAD + "Письмо мая;Помогите архиву;Новости;19.05.2019 18:00;10;17671f6028\n"
    files = {"1234/campaigns.csv": table.encode("cp1251"), "1234/campaigns_content/5_письмо-мая.html": "<p>Да"}
    [sent] = read(written(tmp_path / "a.zip", files))[1]
    assert (sent.kind, sent.subject, sent.audience, sent.sent_at) == (
        "sent", "Помогите архиву", "Новости", "2019-05-19T18:00:00",
    )  # fmt: skip


def test_campaigns_of_one_title_are_told_apart_by_their_numbers_and_days(tmp_path: Path) -> None:
    rows = "News;Second;L;20.05.2019;1;bb1\nNews;First;L;19.05.2019;1;aa1\nAlone;Third;L;21.05.2019;1;cc1\n"
    files = {
        "1234/campaigns.csv": HEAD + rows,
        "1234/campaigns_content/100_news.html": "<p>second",
        "1234/campaigns_content/20_news.html": "<p>first",
    }
    contents, items = read(written(tmp_path / "a.zip", files))
    assert {(item.subject, item.page) for item in items} == {("First", b"<p>first"), ("Second", b"<p>second")}
    assert [(left.kind, left.names) for left in contents.left] == [("unmatched", ("Alone",))]


def test_where_two_lines_fit_one_text_nobody_guesses(tmp_path: Path) -> None:
    rows = "News;First;L;19.05.2019;1;aa1\nNews;Second;L;20.05.2019;1;bb1\n"
    files = {"1234/campaigns.csv": HEAD + rows, "1234/campaigns_content/20_news.html": "<p>which?"}
    contents, items = read(written(tmp_path / "a.zip", files))
    assert [(item.kind, item.name) for item in items] == [("draft", "news")]
    assert [(left.kind, left.count) for left in contents.left] == [("unmatched", 2)]


def test_only_images_of_the_account_itself_are_pointed_out(tmp_path: Path) -> None:
    files = {**ACCOUNT, "12345/campaigns_content/102_x.html": page(USER, "a%20b.png") + page(OTHER)}
    shown = {image.name for item in read(written(tmp_path / "a.zip", files))[1] for image in item.images}
    assert shown == {"logo.png", "a b.png"}


def test_names_of_old_zips_hidden_files_links_and_folders_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("1234\\templates\\frame.html", "<p>x")
        box.writestr("__MACOSX/1234/templates/._frame.html", "x")
        box.writestr("1234/templates/.hidden.html", "x")
        link = zipfile.ZipInfo("1234/templates/link.html")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        box.writestr(link, "/etc/passwd")
    assert [item.name for item in read(path)[1]] == ["frame"]


def test_two_files_of_one_name_are_a_damaged_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("1234/templates/a.html", "<p>1")
        box.writestr("1234/templates/A.html", "<p>2")
    with pytest.raises(ImportFailed) as failed:
        read(path)
    assert failed.value.code == "torn_zip"


def test_large_pages_and_images_stay_out_and_are_named(tmp_path: Path) -> None:
    files = {
        "1234/templates/a.html": "<p>",
        "1234/templates/b.html": b"\0x" * (3 << 20),
        "1234/gallery/c.png": b"\0y" * (6 << 20),
    }
    contents, items = read(written(tmp_path / "a.zip", files))
    assert [item.name for item in items] == ["a"]
    assert [(left.kind, left.names) for left in contents.left] == [("large", ("b.html", "c.png"))]


def test_of_too_many_files_it_is_said_which_folders_can_go(tmp_path: Path) -> None:
    files = {f"1234/granular_activity/opens/{number}.csv": "" for number in range(20_001)}
    with pytest.raises(ImportFailed, match="delete its folders granular_activity"):
        read(written(tmp_path / "a.zip", files))


@given(st.binary(max_size=200), st.integers(0, 4_000))
def test_whatever_is_cut_or_changed_gives_a_sentence_and_nothing_else(noise: bytes, at: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as box:
        for name, data in ACCOUNT.items():
            box.writestr(zipfile.ZipInfo(name), data)
    whole = file.getvalue()
    at %= len(whole)
    for data in (whole[:at], whole[:at] + noise + whole[at + len(noise) :], noise):
        with suppress(ImportFailed), MailchimpAccountExport("a.zip", io.BytesIO(data)) as account:
            account.contents()
            for _item in account.items():
                pass


@given(st.text(max_size=300))
def test_any_table_of_campaigns_can_be_read(table: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as box:
        box.writestr("1234/campaigns.csv", HEAD.replace(";", ",") + table)
        box.writestr("1234/campaigns_content/1_a.html", "<p>")
    with MailchimpAccountExport("a.zip", io.BytesIO(file.getvalue())) as account:
        assert account.contents().drafts + account.contents().sent == 1
