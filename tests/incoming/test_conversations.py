"""A reply becomes a conversation beside its subscriber; the team answers, and nobody else reads it."""

from collections.abc import Sequence
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from samizdat.accounts.models import Person
from samizdat.audience import actions as audience
from samizdat.audience import queries as people
from samizdat.audience.actions import bulk
from samizdat.events.models import Event
from samizdat.incoming.conversations import actions, away, queries, strangers
from samizdat.incoming.conversations.away import AwaySettings
from samizdat.incoming.errors import ConversationRefused
from samizdat.incoming.models import AwayReply, Conversation, ConversationMessage, IncomingMail, MailReport
from samizdat.privacy.subject_access import LANGUAGES, access_file, as_html
from samizdat.worker.mail import answers
from samizdat.worker.schedule import event_handlers
from tests.delivery.conftest import House
from tests.incoming.conftest import Incoming, bounce, now
from tests.smtp_server import Caught
from tests.web.conftest import make_person


@pytest.fixture
def clara(house: House) -> Any:
    return make_person("Clara", "clara@lantern.example", house.organization, "editor")


def reply(sender: str, body: str = "Where is the cat?", subject: str = "Re: News", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    text = f"From: Vera <{sender}>\r\nTo: letter@lantern.example\r\nSubject: {subject}\r\n{more}"
    return (text + f"Message-ID: <from@reader.example>\r\n\r\n{body}\r\n").encode()


def message_id(caught: Caught) -> str:
    return str(message_from_bytes(caught.content)["Message-ID"])


def the_conversation(house: House) -> queries.ConversationRow:
    [row] = Conversation.objects.all()
    shown = queries.numbered(house.organization, row.pk)
    assert shown is not None
    return shown


def words(house: House) -> list[str]:
    return [view.words.text for view in queries.messages(the_conversation(house).row)]


def test_a_reply_to_a_campaign_is_shown_with_whose_it_is(house: House, incoming: Incoming) -> None:
    """By the Message-ID that it answers, from whichever address."""
    [ada] = house.people(1)
    sent = incoming.send()[ada]
    incoming.take(reply("ada.at.work@office.example", In_Reply_To=message_id(sent)))
    incoming.read()
    shown = the_conversation(house)
    assert (shown.known.number, shown.known.proof, shown.known.same_address) == (house.number(ada), "token", False)
    assert (shown.known.name, shown.known.subject, words(house)) == ("Vera", "Re: News", ["Where is the cat?"])
    assert queries.waiting(house.organization) == 1


def test_who_writes_without_answering_is_known_by_their_address(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.take(reply(ada.upper()))
    incoming.read()
    shown = the_conversation(house)
    assert (shown.known.number, shown.known.proof) == (house.number(ada), "address")


def test_a_stranger_is_shown_as_one(house: House, incoming: Incoming) -> None:
    house.people(1)
    incoming.take(reply("stranger@elsewhere.example", In_Reply_To="<" + "a" * 52 + "@lantern.example>"))
    incoming.read()
    shown = the_conversation(house)
    assert (shown.known.number, shown.row.subscriber, shown.known.proof) == (0, None, "")


def test_a_copy_of_the_database_shows_neither_sender_nor_words(house: House, incoming: Incoming) -> None:
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    rows = [*Conversation.objects.values(), *ConversationMessage.objects.values()]
    assert not any(secret in repr(rows).encode() for secret in (b"stranger", b"Vera", b"cat", b"News"))


def test_what_follows_goes_into_the_same_conversation_and_reopens_it(
    house: House, incoming: Incoming, clara: Any
) -> None:
    [ada] = house.people(1)
    incoming.take(reply(ada))
    incoming.read()
    actions.finish(the_conversation(house).row, by=clara, now=now())
    assert queries.waiting(house.organization) == 0
    incoming.take(reply(ada, "And the dog?", "RE: Aw: News"))
    incoming.read()
    assert words(house) == ["Where is the cat?", "And the dog?"]
    assert the_conversation(house).waits


def answer(house: House, incoming: Incoming, clara: Person, text: str = "On the roof.") -> Caught:
    incoming.server.messages.clear()
    actions.answer(the_conversation(house).row, text, by=clara, now=now())
    assert answers.take(now(), house.organization.pk) == 1
    [caught] = incoming.server.messages
    return caught


def test_an_answer_goes_by_the_route_in_the_same_thread(house: House, incoming: Incoming, clara: Any) -> None:
    [ada] = house.people(1)
    sent = incoming.send()[ada]
    incoming.take(reply(ada, In_Reply_To=message_id(sent)))
    incoming.read()
    caught = answer(house, incoming, clara)
    mail = message_from_bytes(caught.content)
    assert (caught.recipient, mail["Subject"], mail["In-Reply-To"]) == (ada, "Re: News", "<from@reader.example>")
    assert mail["References"].split() == [message_id(sent), "<from@reader.example>"]
    assert mail["Auto-Submitted"] is None and mail["From"].endswith("@lantern.example>")
    assert the_conversation(house).row.state == Conversation.ANSWERED
    assert Event.objects.filter(kind="conversation.answered", by=clara).count() == 1
    # Under another subject: by what it answers.
    incoming.take(reply(ada, "Thanks!", "The cat", In_Reply_To=message_id(caught)))
    incoming.read()
    assert words(house) == ["Where is the cat?", "On the roof.", "Thanks!"]


def test_who_was_forwarded_an_answer_begins_a_conversation_of_their_own(
    house: House, incoming: Incoming, clara: Any
) -> None:
    [ada] = house.people(1)
    incoming.take(reply(ada))
    incoming.read()
    caught = answer(house, incoming, clara)
    incoming.take(reply("stranger@elsewhere.example", "Hello", In_Reply_To=message_id(caught)))
    incoming.read()
    assert Conversation.objects.count() == 2


def test_an_answer_goes_once_whatever_its_row_says(house: House, incoming: Incoming, clara: Any) -> None:
    house.people(1)
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    answer(house, incoming, clara)
    ConversationMessage.objects.update(outgoing=ConversationMessage.DUE)
    assert answers.take(now(), house.organization.pk) == 0


def test_an_answer_of_whoever_is_no_longer_on_the_team_stays_here(house: House, incoming: Incoming, clara: Any) -> None:
    house.people(1)
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    actions.answer(the_conversation(house).row, "On the roof.", by=clara, now=now())
    clara.memberships.all().delete()
    assert answers.take(now(), house.organization.pk) == 0
    assert [view.words.refused for view in queries.messages(the_conversation(house).row)] == ["", "writer"]
    assert the_conversation(house).waits


def test_what_no_route_took_is_set_aside_after_a_day_and_goes_when_somebody_says_so(
    house: House, incoming: Incoming, clara: Any
) -> None:
    house.people(1)
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    message = actions.answer(the_conversation(house).row, "On the roof.", by=clara, now=now())
    assert answers.take(now() + timedelta(days=2), house.organization.pk) == 0
    assert queries.messages(the_conversation(house).row)[-1].words.refused == "late"
    actions.try_again(the_conversation(house).row, message.pk, by=clara, now=now())
    assert answers.take(now(), house.organization.pk) == 1


def statuses(house: House, address: str) -> list[str]:
    subscriber = people.subscriber_at(house.organization, address)
    assert subscriber is not None
    return [standing.status for standing in people.card(subscriber, now()).lists]


def test_a_wish_to_leave_is_marked_and_done_in_one_press(house: House, incoming: Incoming, clara: Any) -> None:
    ada = "ada@reader.example"
    audience.add_subscriber(house.organization, ada, house.list, consent="On paper.", now=now(), by=clara)
    incoming.take(reply(ada, "отпишите меня, пожалуйста"))
    incoming.read()
    shown = the_conversation(house)
    assert shown.known.wants_to_leave
    work = actions.unsubscribe(shown.row, house.list, by=clara, now=now())
    bulk.run(work.pk, now)
    assert statuses(house, ada) == ["unsubscribed"]
    assert the_conversation(house).known.removal == work.pk
    bulk.undo(work, now=now(), by=clara)
    bulk.run(work.pk, now)
    assert statuses(house, ada) == ["subscribed"]


def test_who_asked_to_leave_and_then_left_by_email_waits_for_nobody(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    sent = incoming.send()[ada]
    incoming.take(reply(ada, "please stop sending these", In_Reply_To=message_id(sent)))
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    assert queries.waiting(house.organization) == 2
    incoming.take(reply(ada, "", "unsubscribe"), sent.sender)
    incoming.read()
    assert statuses(house, ada) == ["unsubscribed"] and queries.waiting(house.organization) == 1


def test_who_is_erased_leaves_no_conversation_behind(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.take(reply(ada))
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    audience.erase(house.organization, address=ada, now=now())
    assert len(queries.page(house.organization, "open", Person(), 1).rows) == 1
    while event_handlers.follow(now()):
        continue
    assert the_conversation(house).known.address == "stranger@elsewhere.example"
    assert ConversationMessage.objects.count() == IncomingMail.objects.count() == 1


def test_a_conversation_is_kept_for_a_year_after_its_last_message(house: House, incoming: Incoming) -> None:
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    assert actions.forget(now() + actions.KEPT) == 0
    assert actions.forget(now() + actions.KEPT + timedelta(days=1)) == 1
    assert not ConversationMessage.objects.exists()


def test_a_file_is_opened_from_the_email_while_that_is_kept(house: House, incoming: Incoming, clara: Any) -> None:
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nSee the map.\r\n"
        '--b\r\nContent-Type: application/pdf; name="map.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\nYSBtYXA=\r\n--b--"
    )
    incoming.take(reply("stranger@elsewhere.example", body, Content_Type='multipart/mixed; boundary="b"'))
    incoming.read()
    row = the_conversation(house).row
    [message] = queries.messages(row)
    [listed] = message.words.files
    assert (listed.name, listed.size, message.has_files) == ("map.pdf", 5, True)
    assert actions.open_file(row, message.row.pk, listed.place, by=clara, now=now())[1] == b"a map"
    assert Event.objects.filter(kind="conversation.file_opened", by=clara).count() == 1
    IncomingMail.objects.all().delete()
    assert not queries.messages(row)[0].has_files
    with pytest.raises(ConversationRefused, match="30 days"):
        actions.open_file(row, message.row.pk, listed.place, by=clara, now=now())


def be_away(house: House, clara: Any) -> None:
    today = now().date()
    settings = AwaySettings("Back on Monday.", today - timedelta(days=1), today + timedelta(days=30))
    away.choose(house.organization, settings, now=now(), by=clara)


def test_the_away_text_answers_a_subscriber_once_a_week(house: House, incoming: Incoming, clara: Any) -> None:
    [ada] = house.people(1)
    be_away(house, clara)
    for later in (0, 6, 7):
        incoming.take(reply(ada))
        incoming.read(timedelta(days=later))
    incoming.server.messages.clear()
    assert answers.take(now() + timedelta(days=7), house.organization.pk) == 1
    [caught] = incoming.server.messages
    mail = message_from_bytes(caught.content)
    assert (caught.recipient, mail["Auto-Submitted"]) == (ada, "auto-replied")
    assert ada not in repr(AwayReply.objects.values())
    away.forget(now() + timedelta(days=20))
    assert not AwayReply.objects.exists()


@pytest.mark.parametrize(
    "headers", [{"Precedence": "list"}, {"List_Id": "<l.example>"}, {"Auto_Submitted": "auto-generated"}, {}]
)
def test_the_away_text_answers_no_list_no_program_and_no_stranger(
    house: House, incoming: Incoming, clara: Any, headers: dict[str, str]
) -> None:
    [ada] = house.people(1)
    be_away(house, clara)
    incoming.take(reply(ada if headers else "stranger@elsewhere.example", **headers))
    incoming.read()
    assert not ConversationMessage.objects.filter(kind=ConversationMessage.AWAY).exists()


@pytest.mark.parametrize("way", ["a copy of it", "a bounce of it", "another away text", "a bounce of a bounce"])
def test_an_away_text_that_comes_back_is_not_answered(house: House, incoming: Incoming, clara: Any, way: str) -> None:
    """Mailboxes that answer each other would do so for ever."""
    [ada] = house.people(1)
    be_away(house, clara)
    incoming.take(reply(ada))
    incoming.read()
    incoming.server.messages.clear()
    assert answers.take(now(), house.organization.pk) == 1
    [ours] = incoming.server.messages
    nested = b"--b1\r\nContent-Type: message/rfc822\r\n\r\n" + bounce("letter@lantern.example", ada) + b"\r\n--b1--"
    came = {
        "a copy of it": ours.content,
        "a bounce of it": bounce("letter@lantern.example", ada),
        "another away text": reply(ada, "I am away.", "Automatic reply: Re: News", Auto_Submitted="auto-replied"),
        "a bounce of a bounce": bounce("letter@lantern.example", "postmaster@relay.example").replace(b"--b1--", nested),
    }[way]
    AwayReply.objects.all().delete()  # A week is over.
    incoming.take(came)
    incoming.read(timedelta(days=8))
    assert answers.take(now() + timedelta(days=8), house.organization.pk) == 0
    assert len(incoming.server.messages) == 1
    assert incoming.suppressed() == set()


def test_notes_and_assignments_stay_in_the_team(house: House, incoming: Incoming, clara: Any) -> None:
    incoming.take(reply("stranger@elsewhere.example"))
    incoming.read()
    row = the_conversation(house).row
    dmitri = make_person("Dmitri", "dmitri@lantern.example", house.organization, "viewer")
    with pytest.raises(ConversationRefused):
        actions.assign(row, dmitri, by=clara, now=now())
    actions.assign(row, clara, by=clara, now=now())
    actions.note(row, "She has the boxes.", by=clara, now=now())
    incoming.server.messages.clear()
    assert answers.take(now(), house.organization.pk) == 0 and not incoming.server.messages
    assert [one.row.pk for one in queries.page(house.organization, "mine", clara, 1).rows] == [row.pk]


def test_a_reply_without_a_sender_address_is_kept_and_cannot_be_answered(
    house: House, incoming: Incoming, clara: Any
) -> None:
    incoming.take(b"Subject: Hello\r\n\r\nWho am I?\r\n")
    incoming.read()
    if Conversation.objects.exists():
        with pytest.raises(ConversationRefused, match="sender"):
            actions.answer(the_conversation(house).row, "You", by=clara, now=now())


def test_a_message_that_was_moved_into_another_conversation_is_not_shown(house: House, incoming: Incoming) -> None:
    for sender in ("one@elsewhere.example", "two@elsewhere.example"):
        incoming.take(reply(sender))
    incoming.read()
    first, second = Conversation.objects.order_by("pk")
    ConversationMessage.objects.filter(conversation=first).update(conversation=second)
    assert len(queries.messages(second)) == 1


def the_subscriber(house: House, address: str) -> Any:
    return people.subscriber_numbered(house.organization, house.number(address))


def away_from(caught: Caught, body: str) -> bytes:
    return reply(caught.recipient, body, "Automatic reply: News", Auto_Submitted="auto-replied")


def test_a_copy_of_their_data_has_what_their_mailbox_answered_by_itself(house: House, incoming: Incoming) -> None:
    ada, boris = house.people(2)
    for caught in (sent := incoming.send()).values():
        incoming.take(away_from(caught, f"In Riga until Monday: {caught.recipient}"), caught.sender)
    incoming.read()
    subscriber = the_subscriber(house, ada)
    document: dict[str, Any] = access_file(subscriber, now=now(), by_link=True)
    assert [(one["subject"], one["text"]) for one in document["auto_replies"]] == [
        ("Automatic reply: News", f"In Riga until Monday: {ada}")
    ]
    assert boris not in str(document) and boris in sent
    for language in LANGUAGES:
        assert "In Riga until Monday" in as_html(document, language)
    later: dict[str, Any] = access_file(subscriber, now=now() + timedelta(days=32))
    assert later["auto_replies"] == [], "its email is deleted then"


def test_an_email_that_was_put_in_the_place_of_an_auto_reply_is_shown_to_nobody(
    house: House, incoming: Incoming
) -> None:
    """Whoever writes the database and has a subscription of their own would read it in a copy of their data."""
    ada, boris = house.people(2)
    sent = incoming.send()
    incoming.take(away_from(sent[ada], "In Riga until Monday."), sent[ada].sender)
    incoming.take(reply(boris, "Meet me at the station.", In_Reply_To=message_id(sent[boris])))
    incoming.read()
    theirs, others = IncomingMail.objects.order_by("pk")
    IncomingMail.objects.filter(pk=theirs.pk).update(box=others.box, size=others.size)
    assert access_file(the_subscriber(house, ada), now=now())["auto_replies"] == []
    MailReport.objects.filter(mail=theirs.pk).update(mail=others.pk, position=9)
    assert access_file(the_subscriber(house, ada), now=now())["auto_replies"] == []


def strangers_mail(incoming: Incoming, senders: Sequence[str], subject: str = "Buy %d") -> None:
    for place, sender in enumerate(senders):
        incoming.take(reply(sender, subject=subject % place if "%" in subject else subject))
    incoming.read()


def test_a_stranger_begins_few_conversations_a_day_and_the_rest_is_a_report(house: House, incoming: Incoming) -> None:
    strangers_mail(incoming, ["eve@elsewhere.example"] * (strangers.OF_ADDRESS + 3))
    assert Conversation.objects.count() == strangers.OF_ADDRESS
    assert MailReport.objects.count() == IncomingMail.objects.count() == strangers.OF_ADDRESS + 3
    assert strangers.is_limited(house.organization, now())
    assert Event.objects.filter(kind=strangers.LIMITED).count() == 1
    strangers_mail(incoming, ["mallory@elsewhere.example"])
    assert Conversation.objects.count() == strangers.OF_ADDRESS + 1


def test_under_many_addresses_strangers_fill_no_inbox_and_subscribers_get_in(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "OF_ALL", 4)
    [ada] = house.people(1)
    sent = incoming.send()[ada]
    strangers_mail(incoming, [f"eve{place}@elsewhere.example" for place in range(6)])
    incoming.take(reply(ada))
    incoming.take(reply(ada, subject="Re: Another", In_Reply_To=message_id(sent)))
    incoming.read()
    assert Conversation.objects.filter(subscriber=None).count() == 4
    assert Conversation.objects.exclude(subscriber=None).count() == 2


def test_who_writes_under_a_subscribers_address_begins_few(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    strangers_mail(incoming, [ada] * (strangers.OF_ADDRESS + 2))
    assert Conversation.objects.count() == strangers.OF_ADDRESS


def test_one_conversation_of_a_stranger_takes_few_messages_a_day(house: House, incoming: Incoming) -> None:
    strangers_mail(incoming, ["eve@elsewhere.example"] * (strangers.IN_A_DAY + 2), subject="Buy")
    assert len(words(house)) == strangers.IN_A_DAY
    incoming.take(reply("eve@elsewhere.example", subject="Buy"))
    incoming.read(later=timedelta(days=1, minutes=1))
    assert len(words(house)) == strangers.IN_A_DAY + 1
