"""The inbox at the desk: who reads it, what is recorded, and what each button does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from msgspec.structs import replace

from samizdat.audience import queries as audience
from samizdat.audience.actions import add_subscriber, erase, new_list, unsubscribe_from_all
from samizdat.core.bounce.report import KINDS, Attachment, ReplyContent, Report, ReportEvent
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.incoming import intake, processing
from samizdat.incoming.conversations import auto_replies, queries, take_up
from samizdat.incoming.models import Conversation, ConversationMessage, MailReport
from samizdat.privacy import subject_access
from tests.web.conftest import House

Desk = Callable[[str], Client]
VERA = ReplyContent("Vera", "vera@reader.example", "Re: The winter list", "My number is +371 2000 0000.")
ADA = ReplyContent("Ada", "ada@lantern.example", "Re: The winter list", "Where is the cat?", "> The water came.")


def wrote(here: House, content: ReplyContent) -> Conversation:
    report = Report((ReportEvent("reply"),), content=content)
    take_up.take_up(here.organization, 77, report, None, timezone.now())
    return Conversation.objects.order_by("-last")[0]


@pytest.fixture(autouse=True)
def _empty(here: House) -> None:
    """Nobody has written yet."""
    Conversation.objects.all().delete()


def to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def test_the_menu_counts_what_waits_for_an_answer(here: House, desk: Desk) -> None:
    wrote(here, ADA)
    page = read(desk("editor"), to(here, "home"))
    assert '<span class="count"><span class="sr">waiting: </span>1</span>' in page


def test_the_page_of_a_subscriber_leads_to_their_conversations(here: House, desk: Desk) -> None:
    theirs, of_vera = wrote(here, ADA), wrote(here, VERA)
    page = read(desk("editor"), to(here, "subscriber", here.ada.number))
    assert to(here, "conversation", theirs.pk) in page and to(here, "conversation", of_vera.pk) not in page
    assert ADA.subject not in page, "what they wrote is read in the inbox, where it is recorded"
    assert "Conversations" not in read(desk("viewer"), to(here, "subscriber", here.ada.number))


def test_a_viewer_has_no_inbox(here: House, desk: Desk) -> None:
    row = wrote(here, ADA)
    assert "Inbox" not in read(desk("viewer"), to(here, "home"))
    for address in (to(here, "inbox"), to(here, "conversation", row.pk)):
        assert desk("viewer").get(address).status_code == 403


def test_another_organizations_conversation_is_not_there(here: House, there: House, desk: Desk) -> None:
    row = wrote(there, ADA)
    assert desk("editor").get(to(here, "conversation", row.pk)).status_code == 404


def test_a_conversation_stands_beside_its_subscriber_whose_address_is_hidden(here: House, desk: Desk) -> None:
    page = read(desk("editor"), to(here, "conversation", wrote(here, ADA).pk))
    assert "Where is the cat?" in page and "Show quoted email" in page and "The Thursday Letter" in page
    assert "ada@lantern.example" not in page and "a•••@l•••.example" in page
    assert to(here, "subscriber", here.ada.number) in page


def test_the_address_is_shown_after_a_press_that_is_recorded(here: House, desk: Desk) -> None:
    row = wrote(here, ADA)
    page = desk("editor").post(to(here, "conversation", row.pk), {"show": "1"}).content.decode()
    assert "ada@<wbr>lantern<wbr>.example" in page
    [event] = Event.objects.filter(kind="subscribers.addresses_shown")
    assert detail_of(event) == {"numbers": [here.ada.number]}


def test_what_somebody_reads_is_recorded_once_an_hour(here: House, desk: Desk) -> None:
    row, client = wrote(here, VERA), desk("editor")
    for _time in range(2):
        read(client, to(here, "inbox"))
        read(client, to(here, "conversation", row.pk))
    opened = Event.objects.filter(kind="conversation.opened", about=row.pk, by=here.people["editor"])
    listed = Event.objects.get(kind="conversations.listed")
    assert opened.count() == 1 and detail_of(listed)["conversations"] == [row.pk]


def test_a_reply_is_written_and_stays_typed_where_it_is_refused(here: House, desk: Desk) -> None:
    row, client = wrote(here, ADA), desk("editor")
    address = to(here, "conversation", row.pk)
    empty = client.post(address, {"text": " "})
    assert empty.status_code == 422 and "Write a reply first." in empty.content.decode()
    sent = client.post(address, {"text": "On the roof."})
    assert sent.headers["Location"] == f"{address}#end"
    page = read(client, address)
    assert "On the roof." in page and "Sending" in page and "Clara" in page
    assert Conversation.objects.get(pk=row.pk).state == Conversation.ANSWERED


def test_what_was_typed_is_there_again_where_nobody_can_answer(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.incoming.conversations.outgoing.sender_of", lambda *_: None)
    answer = desk("editor").post(to(here, "conversation", wrote(here, ADA).pk), {"text": "On the roof."})
    page = answer.content.decode()
    assert answer.status_code == 422 and "On the roof.</textarea>" in page and "Default sender" in page


def test_a_reply_that_was_not_sent_says_why_and_goes_again(here: House, desk: Desk) -> None:
    from samizdat.incoming.conversations import details, outgoing

    row, client = wrote(here, ADA), desk("editor")
    client.post(to(here, "conversation", row.pk), {"text": "On the roof."})
    message = ConversationMessage.objects.get(kind=ConversationMessage.ANSWER)
    words = details.opened_message(here.organization, message)
    assert words is not None
    outgoing.refuse(message, words, "late")
    page = read(client, to(here, "conversation", row.pk))
    assert "no sending route took it within a day" in page
    client.post(to(here, "resend-answer", row.pk, message.pk))
    message.refresh_from_db()
    assert message.outgoing == ConversationMessage.DUE


def test_a_conversation_is_assigned_noted_done_and_reopened(here: House, desk: Desk) -> None:
    row, client = wrote(here, ADA), desk("editor")
    clara = here.people["editor"]
    client.post(to(here, "assign-conversation", row.pk), {"person": clara.pk})
    assert "Re: The winter list" in read(client, to(here, "inbox") + "?folder=mine")
    client.post(to(here, "add-note", row.pk), {"note": "Ask the vet."})
    assert "Ask the vet." in read(client, to(here, "conversation", row.pk))
    client.post(to(here, "finish-conversation", row.pk))
    assert "No open replies" in read(client, to(here, "inbox"))
    assert "Re: The winter list" in read(client, to(here, "inbox") + "?folder=done")
    client.post(to(here, "finish-conversation", row.pk), {"open": "1"})
    assert queries.waiting(here.organization) == 1


def statuses(here: House) -> list[str]:
    return [standing.status for standing in audience.card(here.ada, timezone.now()).lists]


def test_a_wish_to_leave_is_done_in_one_press_and_undone_in_another(here: House, desk: Desk) -> None:
    row, client = wrote(here, replace(ADA, words="стоп", wants_to_leave=True)), desk("editor")
    page = read(client, to(here, "conversation", row.pk))
    assert "They want to unsubscribe" in page and "Unsubscribe from “The Thursday Letter”" in page
    client.post(to(here, "unsubscribe-sender", row.pk), {"list": here.list.pk})
    assert statuses(here) == ["unsubscribed"]
    page = read(client, to(here, "conversation", row.pk))
    assert "this conversation is done. You can undo this for a day" in page
    assert queries.waiting(here.organization) == 0, "nothing else is left to do"
    client.post(to(here, "undo-unsubscribe-sender", row.pk))
    assert statuses(here) == ["subscribed"]
    assert queries.waiting(here.organization) == 1


def test_whoever_wrote_of_something_else_too_stays_open_when_they_are_unsubscribed(here: House, desk: Desk) -> None:
    row, client = wrote(here, ADA), desk("editor")
    client.post(to(here, "unsubscribe-sender", row.pk), {"list": here.list.pk})
    page = read(client, to(here, "conversation", row.pk))
    assert statuses(here) == ["unsubscribed"] and "They were unsubscribed. You can undo this for a day" in page
    assert queries.waiting(here.organization) == 1


def test_who_wants_to_leave_and_is_on_another_list_as_well_is_asked_about_on(here: House, desk: Desk) -> None:
    other = new_list(here.organization, "Courts, weekly", now=timezone.now())
    add_subscriber(here.organization, ADA.sender, other, consent="On paper.", now=timezone.now())
    row, client = wrote(here, replace(ADA, words="стоп", wants_to_leave=True)), desk("editor")
    client.post(to(here, "unsubscribe-sender", row.pk), {"list": here.list.pk})
    page = read(client, to(here, "conversation", row.pk))
    assert "Unsubscribe from “Courts, weekly”" in page and queries.waiting(here.organization) == 1
    client.post(to(here, "unsubscribe-sender", row.pk), {"list": other.pk})
    assert queries.waiting(here.organization) == 0


def test_who_left_by_themselves_leaves_a_conversation_that_offers_to_be_done(here: House, desk: Desk) -> None:
    row, client = wrote(here, replace(ADA, words="стоп", wants_to_leave=True)), desk("editor")
    unsubscribe_from_all(here.ada, now=timezone.now())
    assert "on no list any more. Nothing else is left to do." in read(client, to(here, "conversation", row.pk))
    client.post(to(here, "finish-conversation", row.pk))
    assert "Nothing else is left to do." not in read(client, to(here, "conversation", row.pk))


AWAY = b"""From: Olga <olga@elsewhere.example>\r
To: letter@lantern.example\r
Subject: Vacation\r
\r
Back on Monday. Ask Pavel meanwhile.\r
"""


def came_by_itself(here: House, raw: bytes = AWAY) -> int:
    """The number of its report, which is the only one."""
    MailReport.objects.all().delete()
    intake.take(here.organization, raw, (), timezone.now().date())
    processing.process(here.organization, timezone.now())
    return MailReport.objects.get().pk


def test_an_auto_reply_is_read_under_a_tab_of_its_own_and_waits_for_nobody(here: House, desk: Desk) -> None:
    report, client = came_by_itself(here), desk("editor")
    listed = read(client, to(here, "inbox") + "?folder=auto")
    assert "Vacation" in listed and "Back on Monday" in listed and "olga@elsewhere" not in listed
    page = read(client, to(here, "auto-reply", report))
    assert "Ask Pavel meanwhile." in page and 'Auto-replies <span class="count-of">1</span>' in page
    assert queries.waiting(here.organization) == 0 and "No open replies" in read(client, to(here, "inbox"))
    [event] = Event.objects.filter(kind="inbox.auto_replies_shown")
    assert detail_of(event) == {"reports": [report]}, "once an hour"


def test_auto_replies_are_counted_once_for_a_page(here: House, desk: Desk) -> None:
    came_by_itself(here)
    client, address = desk("editor"), to(here, "inbox") + "?folder=auto"
    with CaptureQueriesContext(connection) as asked:
        page = read(client, address)
    assert "1 to 1 of 1" in page
    assert sum("COUNT(" in row["sql"] and "incoming_mailreport" in row["sql"] for row in asked) == 1


def test_what_a_person_wrote_after_all_is_moved_to_the_open_replies_and_counts_as_one(here: House, desk: Desk) -> None:
    report, client = came_by_itself(here), desk("editor")
    moved = client.post(to(here, "move-auto-reply", report))
    row = Conversation.objects.get()
    assert moved.headers["Location"] == to(here, "conversation", row.pk)
    assert "Ask Pavel meanwhile." in read(client, to(here, "conversation", row.pk))
    assert queries.waiting(here.organization) == 1
    assert MailReport.objects.get().kind == KINDS.index("reply")
    assert client.get(to(here, "auto-reply", report)).status_code == 404
    assert client.post(to(here, "move-auto-reply", report)).status_code == 404
    assert Conversation.objects.count() == 1, "a second press moves nothing"


def test_a_filter_that_asks_for_a_confirmation_is_marked(here: House, desk: Desk) -> None:
    words = (
        b"Your message requires confirmation. Please click the link below to be on the guest list: https://x.example"
    )
    report = came_by_itself(here, AWAY.replace(b"Back on Monday. Ask Pavel meanwhile.", words))
    assert "Asks to confirm" in read(desk("editor"), to(here, "inbox") + "?folder=auto")
    assert "holds your email back until someone confirms it" in read(desk("editor"), to(here, "auto-reply", report))


def test_an_auto_reply_goes_with_its_email_and_with_its_subscriber(here: House, desk: Desk) -> None:
    report = came_by_itself(here)
    month = timezone.now() + timedelta(days=31)
    assert auto_replies.count(here.organization, timezone.now()) == 1
    assert auto_replies.count(here.organization, month) == 0
    assert auto_replies.numbered(here.organization, report, month) is None
    MailReport.objects.update(number=here.ada.number)
    assert auto_replies.forget_erased(here.organization, timezone.now()) == 0
    erase(here.organization, subscriber=here.ada, now=timezone.now())
    assert auto_replies.forget_erased(here.organization, timezone.now()) == 1
    assert desk("editor").get(to(here, "auto-reply", report)).status_code == 404


def test_a_row_that_says_auto_reply_and_whose_seal_says_otherwise_is_not_shown(here: House, desk: Desk) -> None:
    report = came_by_itself(here, b"From: a@b.example\r\nSubject: Hello\r\n\r\nI am a person.\r\n")
    MailReport.objects.update(kind=KINDS.index("auto-reply"))
    assert desk("editor").get(to(here, "auto-reply", report)).status_code == 404


def test_a_file_is_downloaded_and_never_shown(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Attachment(1, "map <b>.html", 5)
    row, client = wrote(here, replace(ADA, attachments=(listed,))), desk("editor")
    page = read(client, to(here, "conversation", row.pk))
    assert "map &lt;b&gt;.html" in page and "no longer kept" in page
    monkeypatch.setattr("samizdat.web.inbox.views.actions.open_file", lambda *_, **__: (listed, b"<b>hi"))
    message = ConversationMessage.objects.get()
    answer = client.post(to(here, "reply-file", row.pk, message.pk, 1))
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''map%20%3Cb%3E.html"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.content == b"<b>hi"
    assert client.get(to(here, "reply-file", row.pk, message.pk, 1)).status_code == 405


def test_spam_is_deleted_after_a_question(here: House, desk: Desk) -> None:
    row, client = wrote(here, VERA), desk("editor")
    assert "can’t be undone" in read(client, to(here, "delete-conversation", row.pk))
    client.post(to(here, "delete-conversation", row.pk))
    assert not ConversationMessage.objects.exists()


def test_the_away_text_has_two_days_in_their_order(here: House, desk: Desk) -> None:
    client, address = desk("editor"), to(here, "away-text")
    typed = {"text": "Back on Monday.", "first": "2026-12-24", "last": "2026-12-01"}
    wrong = client.post(address, typed)
    assert wrong.status_code == 422 and "Back on Monday.</textarea>" in wrong.content.decode()
    client.post(address, typed | {"last": "2027-01-07"})
    assert "2027-01-07" in read(client, address)
    assert Event.objects.filter(kind="inbox.away_changed").count() == 1


def test_a_copy_of_their_data_has_what_they_wrote_and_what_was_noted(here: House, desk: Desk) -> None:
    row = wrote(here, ADA)
    desk("editor").post(to(here, "add-note", row.pk), {"note": "Ask the vet."})
    document: dict[str, Any] = subject_access.access_file(here.ada, now=timezone.now())
    [conversation] = document["replies"]
    assert [message["text"] for message in conversation["messages"]] == ["Where is the cat?", "Ask the vet."]
    for language in subject_access.LANGUAGES:
        assert "Where is the cat?" in subject_access.as_html(document, language)


def test_a_page_of_replies_has_twenty_five(here: House, desk: Desk) -> None:
    for number in range(26):
        wrote(here, replace(VERA, sender=f"vera{number}@reader.example", subject=f"Letter {number}"))
    first, second = (read(desk("editor"), to(here, "inbox") + f"?page={page}") for page in (1, 2))
    assert "Letter 25" in first and "Letter 0<" not in first and "1 to 25 of 26" in first
    assert "Letter 0<" in second and "26 to 26 of 26" in second


def test_of_a_long_conversation_the_newest_messages_stand_open(here: House, desk: Desk) -> None:
    """Whoever answers doesn't have to pass by two hundred."""
    for number in range(9):
        row = wrote(here, replace(ADA, words=f"Message {number}"))
    page = read(desk("editor"), to(here, "conversation", row.pk))
    place, newest = page.index("Show 4 earlier messages"), page.index("Message 4</p>")
    assert place < page.index("Message 3</p>") < newest
    assert page[place:newest].count("<details") < page[place:newest].count("</details>"), "not among the folded"


def test_a_reply_without_subject_and_words_is_said_to_be_so(here: House, desk: Desk) -> None:
    wrote(here, replace(ADA, subject="", words="", quoted=""))
    page = read(desk("editor"), to(here, "inbox"))
    assert "No subject" in page and "No text" in page


def test_what_is_written_from_right_to_left_begins_at_the_right(here: House, desk: Desk) -> None:
    row = wrote(here, replace(ADA, subject="رسائل", words="مرحبا"))
    page = read(desk("editor"), to(here, "conversation", row.pk))
    assert '<p class="cut" dir="auto">مرحبا</p>' in page
    assert 'dir="auto"' in page[page.index("<textarea") : page.index("</textarea>")]


def test_a_wish_to_leave_from_an_unknown_address_says_what_to_do(here: House, desk: Desk) -> None:
    row = wrote(here, replace(VERA, words="стоп", wants_to_leave=True))
    page = read(desk("editor"), to(here, "conversation", row.pk))
    assert "They may be subscribed with another address. Reply and ask which one." in page


def test_a_conversation_is_opened_at_its_messages_and_not_before_the_list(here: House, desk: Desk) -> None:
    """By keyboard twenty-five links stand before it, on a telephone the head of the page."""
    row = wrote(here, VERA)
    page = read(desk("editor"), to(here, "inbox"))
    assert f'{to(here, "conversation", row.pk)}?folder=open#reply"' in page
