"""The inbox from the command line: `samizdat inbox`."""

import pytest

from tests.cli.conftest import House

# As a reply is taken up that came by email.
WROTE = """
from django.utils import timezone
from samizdat.accounts.models import Organization
from samizdat.core.bounce.report import Attachment, ReplyContent, Report, ReportEvent
from samizdat.incoming.conversations import take_up
for sender, name, subject in (("vera@post.example", "Vera", "Re: News"), ("pavel@post.example", "", "The list")):
    files = (Attachment(1, "cat.png", 2000),)
    content = ReplyContent(name, sender, subject, "Where is the cat?\\nTell me.", attachments=files)
    report = Report((ReportEvent("reply"),), content=content)
    take_up.take_up(Organization.objects.get(), 7, report, None, timezone.now())
"""
READ = """
from samizdat.events.models import Event
assert {"conversations.listed", "conversation.opened"} <= {*Event.objects.values_list("kind", flat=True)}
"""


@pytest.fixture
def inbox(house: House) -> House:
    house.init()
    house.django(WROTE)
    return house


def number_of(house: House, subject: str) -> str:
    return next(str(row["number"]) for row in house.say("inbox", "ls")["conversations"] if row["subject"] == subject)


def test_the_inbox_is_listed_without_addresses(inbox: House) -> None:
    listed = inbox.say("inbox", "ls")
    assert [(row["sender"], row["state"]) for row in listed["conversations"]] == [
        ("p•••@p•••.example", "waiting"), ("Vera", "waiting"),
    ]  # fmt: skip
    shown = inbox("inbox", "ls").out
    assert "Where is the cat?" in shown and "post.example" not in shown


def test_a_conversation_is_read_with_the_address_and_names_of_files(inbox: House) -> None:
    number = number_of(inbox, "Re: News")
    document = inbox.say("inbox", "show", number)
    [message] = document["messages"]
    assert (document["address"], message["kind"], message["files"]) == (
        "vera@post.example", "received", [{"name": "cat.png", "size": 2000}],
    )  # fmt: skip
    lines = inbox("inbox", "show", number).out.splitlines()
    assert lines[-3:] == ["Where is the cat?", "Tell me.", "  file: cat.png, 2,000 bytes"]


def test_what_was_read_on_the_command_line_is_recorded(inbox: House) -> None:
    inbox.say("inbox", "show", number_of(inbox, "Re: News"))
    inbox.django(READ)


def test_a_conversation_is_done_from_the_command_line(inbox: House) -> None:
    number = number_of(inbox, "Re: News")
    assert inbox.say("inbox", "done", number)["state"] == "done"
    assert [row["subject"] for row in inbox.say("inbox", "ls")["conversations"]] == ["The list"]
    assert [row["state"] for row in inbox.say("inbox", "ls", "--done")["conversations"]] == ["done"]


def test_a_conversation_that_is_not_there_is_a_sentence(inbox: House) -> None:
    refused = inbox("inbox", "done", "4711")
    assert (refused.code, refused.err) == (1, "There is no conversation 4711. See samizdat inbox ls.\n")
