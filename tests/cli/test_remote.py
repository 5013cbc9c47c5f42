"""Commands over the network: by a key, against the app as `serve` runs it; nothing of this machine is opened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from samizdat.accounts import api_keys
from samizdat.accounts.api_keys import SCOPES
from samizdat.audience import actions as audience
from samizdat.audience.models import Subscriber, Subscription
from samizdat.audience.queries import list_named
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.cli.__main__ import COMMANDS, samizdat
from samizdat.cli.remote import known
from samizdat.delivery.actions import add_route
from tests.conftest import NOW
from tests.web.conftest import served  # noqa: F401

CONSENT = ("--list", "Letter", "--consent", "Ticked the box.")


class Remote:
    def __init__(self, url: str, organization: Any, key_file: Path) -> None:
        self.url, self.organization, self.key_file = url, organization, key_file

    def __call__(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(samizdat, ["--url", self.url, "--key-file", str(self.key_file), *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def say(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)


@pytest.fixture
def remote(served: str, lantern: Any, tmp_path: Path) -> Remote:  # noqa: F811
    for name in ("Letter", "Appeals"):
        audience.new_list(lantern, name, now=NOW)
    audience.add_field(lantern, "FNAME", "First name", now=NOW)
    token, _row = api_keys.add(lantern, "Shell", tuple(SCOPES), lists=[], now=NOW, by=None)
    key = tmp_path / "key"
    key.write_text(f"{token}\n")
    key.chmod(0o600)
    return Remote(served, lantern, key)


def test_a_subscriber_is_added_shown_tagged_and_unsubscribed(remote: Remote) -> None:
    assert remote.say("subscribers", "add", "ada@reader.example", *CONSENT)["result"] == "added"
    assert remote.say("subscribers", "tag", "ada@reader.example", "--add", "press")["tags"] == ["press"]
    shown = remote("subscribers", "show", "ada@reader.example").output
    assert "ada@reader.example" in shown and "Tags: press" in shown and "Letter: subscribed" in shown
    remote("subscribers", "unsubscribe", "ada@reader.example")
    assert "They unsubscribed before" in remote("subscribers", "add", "ada@reader.example", *CONSENT).output
    assert [each["subscribed"] for each in remote.say("list", "ls")["lists"]] == [0, 0]


def test_a_file_is_imported_and_twice_changes_nothing(remote: Remote, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Email;First name;Donor since\nada@reader.example;Ada;2019\nnonsense;;\nboris@reader.example;;\n")
    first = remote.say("import", str(file), *CONSENT)
    assert (first["rows"], first["added"], first["rejected"], first["left_out"]) == (3, 2, 1, ["Donor since"])
    assert [each["line"] for each in first["rejects"]] == [3] and "nonsense" not in str(first["rejects"])
    again = remote.say("import", str(file), *CONSENT)
    assert (again["added"], again["unchanged"]) == (0, 2)
    assert Subscriber.objects.count() == Subscription.objects.count() == 2


@pytest.mark.parametrize(
    ("content", "code"), [("name\nAda\n", "no_email_column"), ("email\n", "no_rows"), (b"email\n\xff\n", "not_utf8")]
)
def test_a_file_without_addresses_is_refused(remote: Remote, tmp_path: Path, content: Any, code: str) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert remote.say("import", str(file), *CONSENT, code=1)["error"] == code
    assert not Subscriber.objects.exists()


def test_a_campaign_is_checked_scheduled_and_taken_back(remote: Remote) -> None:
    letter = list_named(remote.organization, "Letter")
    audience.add_subscriber(remote.organization, "ada@reader.example", letter, consent="Yes.", now=NOW)
    add_route(remote.organization, "out", "folder:///tmp/nothing", now=NOW)
    draft = Draft(subject="The river", from_email="a@lantern.example", body="Hello")
    number = str(create(remote.organization, letter, draft, by=None, now=NOW).pk)
    assert remote.say("campaign", "check", number)["recipients"] == 1
    assert remote.say("campaign", "send", number, "--hold", "60")["state"] == "held"
    assert remote.say("campaign", "status", number)["recipients"] == 1
    assert remote.say("campaign", "undo", number)["state"] == "draft"
    assert Campaign.objects.get().state == "draft"
    assert remote("campaign", "send", number, "--at", "2026-12-10T09:00:00", code=2)
    assert "needs_person" in str(remote.say("campaign", "test", number, "--to", "clara@lantern.example", code=1))


@pytest.mark.parametrize("words", [("route", "ls"), ("campaign", "resolve", "3"), ("doctor", "--deep"), ("keys",)])
def test_what_works_on_the_server_alone_says_so(remote: Remote, words: tuple[str, ...]) -> None:
    refused = remote.say(*words, code=1)
    assert refused["error"] == "server_only" and "subscribers add" in refused["sentence"]


def test_a_key_that_others_may_read_is_refused(remote: Remote) -> None:
    for mode in (0o640, 0o604):
        remote.key_file.chmod(mode)
        refused = remote.say("list", "ls", code=1)
        assert refused["error"] == "open_file" and "chmod 600" in refused["sentence"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda remote: setattr(remote, "url", "http://desk.lantern.example"), "Use https://"),
        (lambda remote: setattr(remote, "url", "http://127.0.0.1:1"), "did not answer"),
        (lambda remote: remote.key_file.write_text("smz_wrong\n"), "API key"),
        (lambda remote: remote.key_file.write_text("\n"), "no key"),
        (lambda remote: remote.key_file.unlink(), "no file"),
    ],
)
def test_what_is_wrong_with_address_or_key_is_a_sentence(
    remote: Remote, change: Callable[[Remote], object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat_client.connection.time.sleep", lambda seconds: None)
    change(remote)
    refused = remote.say("list", "ls", code=1)
    assert sentence in refused["sentence"]
    assert "smz_" not in str(refused)


def test_the_address_and_the_key_go_together() -> None:
    assert CliRunner().invoke(samizdat, ["--url", "https://desk.lantern.example", "list", "ls"]).exit_code == 2


def test_every_remote_command_is_one_of_the_server_too() -> None:
    assert {words.split()[0] for words in known()} <= COMMANDS.keys()
