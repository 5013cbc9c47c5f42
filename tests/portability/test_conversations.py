"""Conversations of the inbox in an export of our own format, and in another house."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization, give_role
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience import queries as people
from samizdat.audience.models import List
from samizdat.core.bounce.report import Attachment, ReplyContent, Report, ReportEvent
from samizdat.delivery.actions.default_senders import set_for_organization
from samizdat.incoming.conversations import actions, away, details, outgoing, queries, take_up
from samizdat.incoming.conversations.away import AwaySettings
from samizdat.incoming.conversations.queries import ConversationRow
from samizdat.incoming.models import Conversation, ConversationMessage
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import conversations
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from samizdat.privacy.subject_access import access_file
from tests.conftest import NOW, TODAY
from tests.portability.test_campaigns import forged, manifest_of
from tests.portability.test_export import in_another_house, made
from tests.web.conftest import make_person

ADA, STRANGER = "ada@post.example", "stranger@elsewhere.example"


def wrote(organization: Organization, sender: str, words: str, subject: str = "Re: News", **more: Any) -> Conversation:
    content = ReplyContent("Ada", sender, subject, words, "On Thursday you wrote", message_id="x@post.example", **more)
    report = Report((ReportEvent("reply"),), content=content)
    take_up.take_up(organization, 7, report, None, NOW)
    return Conversation.objects.select_related("organization").order_by("-last")[0]


@pytest.fixture
def inbox(lantern: Any, letter: List, remembered: Callable[..., Any]) -> Any:
    """Ada asked, was answered, and is done with; a stranger waits, and an answer to them is on its way."""

    def work() -> None:
        audience.add_subscriber(lantern, ADA, letter, consent="At the fair.", now=NOW)
        set_for_organization(lantern, DefaultSender("Lantern", "letter@lantern.example"), now=NOW)
        clara = make_person("Clara", "clara@lantern.example", lantern, "editor")
        asked = wrote(lantern, ADA, "Where is the cat?", attachments=(Attachment(1, "cat.png", 2_000),))
        actions.answer(asked, "On the roof.", by=clara, now=NOW)
        ConversationMessage.objects.update(outgoing=ConversationMessage.SENT)
        wrote(lantern, STRANGER, "May we reprint it?")
        actions.note(asked, "She has forty boxes.", by=clara, now=NOW)
        actions.assign(asked, clara, by=clara, now=NOW)
        actions.finish(asked, by=clara, now=NOW)
        away.choose(lantern, AwaySettings("Back in January.", TODAY, TODAY), now=NOW, by=clara)

    remembered(work, lantern, letter)
    return lantern


def exported(organization: Any) -> bytes:
    return made(organization, ExportRequest("samizdat"))


def listed(organization: Organization) -> list[ConversationRow]:
    """The newest first."""
    rows = queries.rows_of(organization).order_by("-last")
    return [shown for row in rows if (shown := queries.numbered(organization, row.pk)) is not None]


def said(row: Conversation) -> list[tuple[int, int, str]]:
    return [(view.row.kind, view.row.outgoing, view.words.text) for view in queries.messages(row)]


def shown_of(shown: ConversationRow) -> tuple[object, ...]:
    row, known = shown.row, shown.known
    mine = row.state, row.day, bytes(row.thread), known.number, known.proof, known.same_address
    return *mine, known.name, known.address, known.subject, known.beginning, known.last


def test_conversations_come_whole_beside_the_same_subscriber(inbox: Any, vault: Any, tmp_path: Path) -> None:
    data = exported(inbox)
    assert manifest_of(data)["counts"]["conversations"] == 2
    there, counts = in_another_house(data, tmp_path, vault)
    assert counts["conversations"] == 2
    before, after = listed(inbox), listed(there)
    assert [shown.known.address for shown in after] == [STRANGER, ADA]
    for was, now in zip(before, after, strict=True):
        assert (said(now.row), shown_of(now)) == (said(was.row), shown_of(was))
    ada = people.subscriber_at(there, ADA)
    assert ada is not None and [shown.row.pk for shown in queries.of_subscriber(ada)] == [after[1].row.pk]
    first, answered, note = queries.messages(after[1].row)
    assert (first.words.files, first.words.quoted) == ((Attachment(1, "cat.png", 2_000),), "On Thursday you wrote")
    assert not first.has_files, "the email that it came with stays there"
    assert (answered.words.at, note.words.at) == (NOW.astimezone(UTC), NOW.astimezone(UTC))


def test_no_file_about_subscribers_names_the_team(inbox: Any, vault: Any, tmp_path: Path) -> None:
    data = made(inbox, ExportRequest("samizdat", keys=True))
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        assert not any(name in box.read("conversations/1.json").lower() for name in (b"clara", b"@lantern.example"))
    there, _counts = in_another_house(data, tmp_path, vault)
    [ada] = [shown.row for shown in listed(there) if shown.known.address == ADA]
    assert {view.words.by for view in queries.messages(ada)} == {0}


def moved_with_keys(inbox: Any, vault: Any, tmp_path: Path, role: str = "") -> ConversationRow:
    """Ada's conversation, which was Clara's, in a house where Clara has this role."""
    data = made(inbox, ExportRequest("samizdat", keys=True))
    there = found_organization("Harbour Bell", source=vault, today=TODAY)
    if role:
        give_role(Person.objects.get(), there, role, by=None, now=NOW)
    (tmp_path / "export.zip").write_bytes(data)
    bring_back(there, tmp_path / "export.zip", now=lambda: NOW)
    return next(shown for shown in listed(there) if shown.known.address == ADA)


def test_a_conversation_is_assigned_to_whoever_has_the_same_address_there(
    inbox: Any, vault: Any, tmp_path: Path
) -> None:
    shown = moved_with_keys(inbox, vault, tmp_path, "editor")
    assert shown.row.assignee == Person.objects.get() and not shown.known.lost_assignee


@pytest.mark.parametrize("role", ["", "viewer"])
def test_where_nobody_may_answer_who_had_it_the_conversation_says_that_it_was_assigned(
    inbox: Any, vault: Any, tmp_path: Path, role: str
) -> None:
    shown = moved_with_keys(inbox, vault, tmp_path, role)
    assert shown.row.assignee is None and shown.known.lost_assignee
    editor = make_person("Dmitri", "dmitri@harbour.example", shown.row.organization, "editor")
    actions.assign(shown.row, editor, by=editor, now=NOW)
    again = queries.numbered(shown.row.organization, shown.row.pk)
    assert again is not None and not again.known.lost_assignee


def test_without_the_keys_in_a_file_nobody_can_ask_whose_a_conversation_was(
    inbox: Any, vault: Any, tmp_path: Path
) -> None:
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    [ada] = [shown for shown in listed(there) if shown.known.address == ADA]
    assert ada.row.assignee is None and ada.known.lost_assignee


def test_their_next_message_goes_on_in_the_same_conversation(inbox: Any, vault: Any, tmp_path: Path) -> None:
    """By the Message-ID of an answer that the old installation sent, and by sender and subject."""
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    ada = listed(there)[1].row
    mark = details.new_mark(ada)
    assert wrote(there, ADA, "Thanks!", "The cat", references=(f"{mark}@lantern.example",)).pk == ada.pk
    assert wrote(there, ADA, "And the dog?", "RE: Aw: News").pk == ada.pk
    assert [text for _kind, _state, text in said(ada)][-2:] == ["Thanks!", "And the dog?"]


def test_an_answer_that_was_on_its_way_is_sent_here_by_a_persons_press_alone(
    inbox: Any, vault: Any, tmp_path: Path
) -> None:
    """Nobody knows whether the old installation still sent it."""
    clara = Person.objects.get()
    [waiting] = [shown.row for shown in listed(inbox) if shown.known.address == STRANGER]
    actions.answer(waiting, "You may.", by=clara, now=NOW, done=True)
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    assert outgoing.due(there, NOW, 10) == []
    row = listed(there)[0].row
    assert row.state == Conversation.WAITING and str(queries.messages(row)[-1].words.refused) == "moved"
    editor = make_person("Dmitri", "dmitri@harbour.example", there, "editor")
    actions.try_again(row, queries.messages(row)[-1].row.pk, by=editor, now=NOW)
    assert ConversationMessage.objects.filter(conversation=row, outgoing=ConversationMessage.DUE).exists()


def test_the_away_text_comes_without_its_days(inbox: Any, vault: Any, tmp_path: Path) -> None:
    """A file sends nothing by itself: somebody chooses when it answers."""
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    assert away.settings_of(there) == AwaySettings("Back in January.")
    assert away.is_away(there, NOW) is None


def test_conversations_of_whoever_was_erased_do_not_come(inbox: Any, vault: Any, tmp_path: Path) -> None:
    audience.erase(inbox, address=ADA, now=NOW)
    data = exported(inbox)
    assert b"cat" not in data and manifest_of(data)["counts"]["conversations"] == 1
    there, counts = in_another_house(data, tmp_path, vault)
    assert (counts["conversations"], [shown.known.address for shown in listed(there)]) == (1, [STRANGER])


def test_of_whoever_was_erased_while_the_file_was_written_nothing_is_brought_in(
    inbox: Any, vault: Any, tmp_path: Path
) -> None:
    data = forged(exported(inbox), "conversations/1.json", lambda rows: [row | {"subscriber": 999} for row in rows])
    there, counts = in_another_house(data, tmp_path, vault)
    assert counts["conversations"] == 0 and not Conversation.objects.filter(organization=there).exists()


def test_a_copy_of_their_data_has_what_they_wrote_before_the_move_and_erasure_takes_it(
    inbox: Any, vault: Any, tmp_path: Path
) -> None:
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    ada = people.subscriber_at(there, ADA)
    assert ada is not None
    document: Any = access_file(ada, now=NOW)
    [conversation] = document["replies"]
    assert [message["text"] for message in conversation["messages"]] == [
        "Where is the cat?", "On the roof.", "She has forty boxes.",
    ]  # fmt: skip
    audience.erase(there, address=ADA, now=NOW)
    assert actions.forget_erased() == 1
    assert [shown.known.address for shown in listed(there)] == [STRANGER]


def test_a_copy_of_the_new_database_shows_nobodys_words(inbox: Any, vault: Any, tmp_path: Path) -> None:
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    rows = [
        *Conversation.objects.filter(organization=there).values(),
        *ConversationMessage.objects.filter(conversation__organization=there).values(),
    ]
    assert not any(secret in repr(rows).encode() for secret in (b"stranger", b"Ada", b"cat", b"News", b"roof"))


def test_nothing_is_kept_longer_for_a_day_that_a_file_made_up(inbox: Any, vault: Any, tmp_path: Path) -> None:
    late = (TODAY + timedelta(days=4_000)).isoformat()
    data = forged(exported(inbox), "conversations/1.json", lambda rows: [row | {"day": late} for row in rows])
    there, _counts = in_another_house(data, tmp_path, vault)
    assert {shown.row.day for shown in listed(there)} == {TODAY}


def changed(row: Any, **more: Any) -> Any:
    return row | {"messages": [message | more for message in row["messages"]]}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row | {"state": "flying"},
        lambda row: row | {"thread": "ab"},
        lambda row: row | {"thread": "a" * 32 + "\n"},
        lambda row: row | {"day": "soon"},
        lambda row: row | {"last": "2026-11-25T18:00:00"},
        lambda row: row | {"list": 77},
        lambda row: row | {"subscriber": -1},
        lambda row: row | {"assignee": "clara@lantern.example"},
        lambda row: row | {"subject": "x" * 301},
        lambda row: row | {"address": "ada@post.example\r\nBcc: all@post.example"},
        lambda row: row | {"messages": row["messages"] * 1_001},
        lambda row: changed(row, text="x" * 20_001),
        lambda row: changed(row, message_id="x>\r\nBcc: <all@post.example"),
        lambda row: changed(row, references=["x@post.example"] * 22),
        lambda row: changed(row, files=[{"place": 1, "name": "x", "size": -1}]),
        lambda row: changed(row, kind="order"),
        lambda row: changed(row, outgoing="now"),
        lambda row: changed(row, at="2026-11-25"),
        lambda row: [],
    ],
)
def test_a_forged_conversation_is_refused_before_a_row_is_written(
    inbox: Any, vault: Any, tmp_path: Path, spoil: Any
) -> None:
    data = forged(exported(inbox), "conversations/1.json", lambda rows: [spoil(row) for row in rows])
    with pytest.raises(ExportRefused, match=r"conversations/1.json in this export was changed"):
        in_another_house(data, tmp_path, vault)
    there = Organization.objects.order_by("-pk")[0]
    assert not List.objects.filter(organization=there).exists()


def test_a_forged_away_text_is_refused(inbox: Any, vault: Any, tmp_path: Path) -> None:
    data = forged(exported(inbox), "away.json", lambda told: told | {"text": "x" * 4_001})
    with pytest.raises(ExportRefused, match=r"away.json in this export was changed"):
        in_another_house(data, tmp_path, vault)


def test_of_a_conversation_without_end_the_newest_messages_come(
    inbox: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an installation exports is never too much for the next."""
    monkeypatch.setattr(conversations, "MOST_MESSAGES", 2)
    there, _counts = in_another_house(exported(inbox), tmp_path, vault)
    assert [text for _kind, _state, text in said(listed(there)[1].row)] == ["On the roof.", "She has forty boxes."]


def test_a_killed_import_brings_no_conversation_twice(
    inbox: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "SLICE", 1)
    make, came = conversations._make, list[int]()

    def killed(told: Any, places: Any, team: Any) -> int:
        if came:
            raise KeyboardInterrupt
        came.append(make(told, places, team))
        return came[0]

    with monkeypatch.context() as patch:
        patch.setattr(conversations, "_make", killed)
        with pytest.raises(KeyboardInterrupt):
            in_another_house(exported(inbox), tmp_path, vault)
    there = Organization.objects.order_by("-pk")[0]
    assert len(listed(there)) == 1
    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["conversations"] == 2
    assert [shown.known.address for shown in listed(there)] == [STRANGER, ADA]
    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["added"] == 0 and len(listed(there)) == 2
