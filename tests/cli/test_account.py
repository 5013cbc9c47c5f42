"""`samizdat import-account`: what a whole account of Mailchimp holds, and what stays out of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.importers.accounts import ACCOUNT, written


@pytest.fixture
def account(tmp_path: Path) -> str:
    return str(written(tmp_path / "account.zip", ACCOUNT))


def test_a_whole_account_comes_in_and_what_stays_out_is_named_before(house: Any, account: str) -> None:
    seen = house.say("import-account", account, "--dry-run")
    assert seen["contents"] == {"drafts": 1, "sent": 1, "templates": 1, "images": 1}
    assert {left["kind"] for left in seen["left_out"]} >= {"activity", "texts", "unmatched", "other_files"}
    assert sum(held["statuses"]["subscribed"] for held in seen["audiences"]) > 0
    assert " subscribed" in house("import-account", account, "--dry-run").out, "who will get email is said before"
    assert house("campaign", "ls", "--json").json["campaigns"] == []
    brought = house.say("import-account", account)
    assert not any("Left out: past campaigns" in warning for warning in brought["warnings"] + seen["warnings"])
    assert {kind: entry["added"] for kind, entry in brought["brought"].items()} == {
        "image": 1, "template": 1, "draft": 1, "sent": 1,
    }  # fmt: skip
    again = house.say("import-account", account)
    assert {kind: entry["here"] for kind, entry in again["brought"].items()} == {
        "image": 1, "template": 1, "draft": 1, "sent": 1,
    }  # fmt: skip


def test_a_sent_campaign_has_the_day_and_the_numbers_of_then_and_none_of_ours(house: Any, account: str) -> None:
    house.say("import-account", account, "--public-archive")
    rows = house.say("campaign", "ls")["campaigns"]
    [sent] = [row for row in rows if row["state"] == "finished" and row["subject"] == "Help the archive"][:1]
    status = house.say("campaign", "status", str(sent["id"]))
    assert status["sent_elsewhere"] == {
        "service": "Mailchimp",
        "totals": {
            "recipients": 1_110, "delivered": 1_108, "bounced": 2, "clicks": 57, "unsubscribed": 7, "complaints": 0,
        },
    }  # fmt: skip
    assert status["frozen"] == status["accepted"] == 0
    assert "not from here" in house("campaign", "status", str(sent["id"])).out


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"people.csv": "email\nada@post.example\n"}, "no_account"),
        ({"12345/templates/a.html": "<p>a", "67890/templates/b.html": "<p>b"}, "several_accounts"),
        ({f"12345/templates/{'x' * 600}.html": "<p>"}, "long_name"),
        ({"12345/gallery/a.png": bytes(20 << 20), "12345/templates/a.html": "<p>"}, "zip_bomb"),
    ],
)
def test_what_is_no_export_of_one_account_gets_a_sentence_and_changes_nothing(
    house: Any, tmp_path: Path, files: dict[str, str | bytes], code: str
) -> None:
    before = house.say("campaign", "ls")
    refused = house("import-account", str(written(tmp_path / "account.zip", files)), "--json")
    assert (refused.code, refused.json["error"]) == (1, code), refused.out + refused.err
    assert house.say("campaign", "ls") == before


def test_half_a_download_gets_a_sentence(house: Any, account: str) -> None:
    half = Path(account)
    half.write_bytes(half.read_bytes()[:-400])
    refused = house("import-account", account, "--json")
    assert (refused.code, refused.json["error"]) == (1, "torn_zip")
    assert "Download it again" in refused.json["sentence"]
