"""Letters gathered for those who want a digest: each of them once, by itself or gathered."""

import gc
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection

from samizdat.accounts.actions import add_person, change_settings, give_role
from samizdat.accounts.models import Person
from samizdat.audience import recipients_sql
from samizdat.audience.actions import change_field, change_list, rename_list
from samizdat.audience.actions.digests import set_digest
from samizdat.audience.actions.lists import tags_for
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import List, ListTotal, Subscriber, SubscriberTag, Subscription
from samizdat.campaigns import digest as digest_module
from samizdat.campaigns.actions import create, save
from samizdat.campaigns.approval import NotApproved, agree, bond_of
from samizdat.campaigns.archive import listing
from samizdat.campaigns.digest import STUCK
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.models import Approval, Campaign, Edition
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.templates import import_template
from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign_check
from samizdat.core.content.digest import FREQUENCIES
from samizdat.core.mail.ledger import pack_numbers
from samizdat.delivery import actions, queries
from samizdat.delivery.actions import digest_rounds, digests, due
from samizdat.delivery.actions.digests import make_due, waits_for
from samizdat.delivery.actions.recipients import waits
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import DeliveryError, NobodyToWrite
from samizdat.delivery.models import DigestRecipients, Retry
from samizdat.delivery.recipients_breakdown import whom
from samizdat.events.models import Event
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House, run_until_still
from tests.delivery.test_wishes import wish
from tests.smtp_server import ScriptedServer


def close(house: House, server: ScriptedServer) -> Any:
    """The day of the digest comes; the one that was made and has left, or None."""
    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    if not make_due(datetime.now(UTC)):
        return None
    made = Campaign.objects.filter(is_digest=True).order_by("-pk")[0]
    assert (made.state, made.pending) == ("held", made.frozen)
    Campaign.objects.filter(pk=made.pk).update(not_before=datetime.now(UTC))
    actions.start_due(datetime.now(UTC))
    run_campaign(made.pk, 120)
    return made


def got(server: ScriptedServer) -> dict[str, list[str]]:
    """Subjects by reader, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for one in server.messages:
        subject = str(message_from_bytes(one.content, policy=policy.default)["subject"])
        found.setdefault(one.recipient, []).append("digest" if ": digest, " in subject else subject)
    return found


def often(house: House) -> list[str]:
    rows = Subscription.objects.filter(list=house.list).order_by("subscriber_id")
    return [FREQUENCIES[row.frequency] for row in rows]


def everybody() -> list[int]:
    return [subscriber.number for subscriber in Subscriber.objects.order_by("id")]


def refuse(*_what: object, **_how: object) -> None:
    raise DeliveryError("no")


FRAME = (
    b"<html><body><table><tr><td>*|MC:SUBJECT|*</td></tr><tr><td mc:edit='body'>Body</td></tr>"
    b"<tr><td><a href='*|UNSUB|*'>leave</a> *|LIST:ADDRESS|*</td></tr></table></body></html>"
)


def test_every_letter_comes_once_by_itself_or_in_the_digest(house: House, server: ScriptedServer) -> None:
    always, gathers, leaves = house.people(3)
    house.route(server)
    for one in (gathers, leaves):
        wish(house, one, often="digest")
    run_campaign(house.released().pk, 120)  # Chosen in this round, it counts from the next one on.
    assert close(house, server) is None
    assert often(house) == ["all", "digest", "digest"]
    second = house.released()
    assert second.frozen == 1
    listing.put(second, listed=False, by=None, now=datetime.now(UTC))
    run_campaign(second.pk, 120)
    wish(house, leaves, often="all")
    made = close(house, server)
    assert made.frozen == 2
    assert made.archive_hidden, "it quotes a letter that stands in no archive"
    assert often(house) == ["all", "digest", "all"]
    run_campaign(house.released().pk, 120)
    assert got(server) == {always: ["News"] * 3, gathers: ["News", "digest"], leaves: ["News", "digest", "News"]}


def test_a_letter_that_was_frozen_for_later_comes_once_as_well(house: House, server: ScriptedServer) -> None:
    always, chooses = house.people(2)
    house.route(server)
    later = house.released(at=datetime.now(UTC) + timedelta(hours=2))
    wish(house, chooses, often="digest")
    close(house, server)
    ended = begin(later)
    assert (ended["accepted"], ended["suppressed"]) == (1, 1)
    close(house, server)
    assert got(server) == {always: ["News"], chooses: ["digest"]}


def begin(campaign: Campaign) -> Any:
    """The hour has come for a letter that was frozen for later."""
    Campaign.objects.filter(pk=campaign.pk).update(not_before=datetime.now(UTC))
    actions.start_due(datetime.now(UTC))
    return run_campaign(campaign.pk, 120)


def test_whoever_leaves_the_digest_before_a_frozen_letter_begins_gets_it_by_itself(
    house: House, server: ScriptedServer
) -> None:
    always, stays, leaves, rests = house.people(4)
    house.route(server)
    for one in (stays, leaves, rests):
        wish(house, one, often="digest")
    close(house, server)
    later = house.released(at=datetime.now(UTC) + timedelta(hours=2))
    wish(house, leaves, often="all")
    wish(house, rests, often="monthly")
    close(house, server)
    assert later.frozen == 1
    ended = begin(later)
    assert (ended["frozen"], ended["accepted"], DigestRecipients.objects.count()) == (2, 2, 0)
    close(house, server)
    assert got(server) == {always: ["News"], leaves: ["News"], stays: ["digest"]}


def test_readers_who_were_set_aside_are_owed_a_letter_in_portions_and_a_kill_loses_none(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion is a transaction of its own: while one goes on nobody else writes on SQLite."""
    monkeypatch.setattr(digest_rounds, "PAGE", 2)
    always, *gather = house.people(6)
    house.route(server)
    for one in gather:
        wish(house, one, often="digest")
    close(house, server)
    later = house.released(at=datetime.now(UTC) + timedelta(hours=2))
    set_digest(house.list, "", now=datetime.now(UTC))
    close(house, server)
    Campaign.objects.filter(pk=later.pk).update(not_before=datetime.now(UTC))
    genuine, portions = digest_rounds.write_chunks, []

    def killed(*args: Any, **values: Any) -> int:
        portions.append(args)
        if len(portions) == 2:
            raise KeyboardInterrupt
        return genuine(*args, **values)

    actions.start_due(datetime.now(UTC))
    monkeypatch.setattr(digest_rounds, "write_chunks", killed)
    with pytest.raises(KeyboardInterrupt):
        due.owe_set_aside()
    later.refresh_from_db()
    assert (later.frozen, later.pending, DigestRecipients.objects.count()) == (3, 3, 2)
    assert due.owe_set_aside()
    assert run_campaign(later.pk, 120)["accepted"] == 6
    assert got(server) == {one: ["News"] for one in (always, *gather)}


def test_a_letter_is_not_over_and_no_digest_is_made_while_its_readers_are_still_asked(
    house: House, server: ScriptedServer
) -> None:
    (reader,) = house.people(1)
    house.route(server)
    wish(house, reader, often="digest")
    close(house, server)
    later = house.released(at=datetime.now(UTC) + timedelta(hours=2))
    Campaign.objects.filter(pk=later.pk).update(not_before=datetime.now(UTC))
    actions.start_due(datetime.now(UTC))
    assert not actions.finish_if_done(later.pk, datetime.now(UTC))
    assert (waits_for(List.objects.get()), close(house, server)) == ("going", None)
    assert due.owe_set_aside() and actions.finish_if_done(later.pk, datetime.now(UTC))
    close(house, server)
    assert got(server) == {reader: ["digest"]}


def test_whom_a_digest_is_for_is_read_before_its_round_ends_and_not_in_that_transaction(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = house.people(5)
    house.route(server)
    for one in gather:
        wish(house, one, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    around, inside = len(connection.atomic_blocks), []
    genuine = recipients_sql.digest_page

    def read(*args: Any, **values: Any) -> list[int]:
        inside.append(len(connection.atomic_blocks) > around)
        return genuine(*args, **values)

    monkeypatch.setattr(digest_rounds, "PAGE", 2)
    monkeypatch.setattr(recipients_sql, "digest_page", read)
    close(house, server)
    assert len(inside) > 3 and not any(inside)
    assert got(server) == {one: ["digest"] for one in gather}


def test_a_second_try_comes_by_itself_whatever_the_reader_chose_since(house: House, server: ScriptedServer) -> None:
    (reader,) = house.people(1)
    house.route(server)
    server.on("rcpt", "451 4.2.1 try later", times=1)
    letter = house.released()
    assert run_until_still(letter.pk)["deferred"] == 1
    wish(house, reader, often="digest")
    close(house, server)
    close(house, server)
    wish(house, reader, often="all")
    assert often(house) == ["again"]  # Of this digest, which the letter is not in.
    Retry.objects.update(due=datetime.now(UTC))
    actions.retry_due(datetime.now(UTC))
    assert run_campaign(letter.pk, 120)["accepted"] == 1


def test_whom_a_digest_gathers_for_is_written_down_when_its_round_ends(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathers, other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    letter = house.released()
    assert (waits_for(List.objects.get()), close(house, server)) == ("going", None)
    run_campaign(letter.pk, 120)
    with monkeypatch.context() as patch:
        patch.setattr(digests, "release", refuse)
        close(house, server)
    for often in ("all", "digest", "all"):
        wish(house, gathers, often=often)
    wish(house, other, often="digest")
    close(house, server)
    draft = Campaign.objects.get(is_digest=True)
    assert whom(draft, datetime.now(UTC)).may == 1
    actions.release(draft, now=datetime.now(UTC))
    run_campaign(draft.pk, 120)
    assert got(server) == {gathers: ["digest"], other: ["News"]}


def test_a_digest_names_its_letters_and_leads_to_them(house: House, server: ScriptedServer) -> None:
    (reader,) = house.people(1)
    house.route(server)
    wish(house, reader, often="digest")
    close(house, server)
    body = "Dear {{ FNAME }},\n\n**bread** costs more, and [so] do eggs\n"
    letter = create(
        house.organization,
        house.list,
        draft_of(house.draft()).with_(subject="Bread & *prices*", body=body),
        by=None,
        now=datetime.now(UTC),
    )
    house.people(1)
    actions.release(letter, now=datetime.now(UTC))
    run_campaign(letter.pk, 120)
    close(house, server)
    mail = message_from_bytes(
        [one.content for one in server.messages if one.recipient == reader][-1], policy=policy.default
    )
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    assert mail["subject"].startswith("News: digest, ")
    assert "Bread & *prices*" in text
    assert "bread costs more, and [so] do eggs" in text
    assert f"https://lantern.example/a/{letter.edition.archive_slug}" in text
    assert "Reader" not in text


def test_of_the_letters_that_a_digest_quotes_one_is_held_at_a_time(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    for _each in range(8):
        house.released()
    genuine, held = digest_module._part, list[int]()

    def quotes(*what: Any) -> str:
        held.append(sum(isinstance(thing, EditionDetails) for thing in gc.get_objects()))
        return genuine(*what)

    monkeypatch.setattr(digest_module, "_part", quotes)
    before = sum(isinstance(thing, EditionDetails) for thing in gc.get_objects())
    assert close(house, server)
    assert len(held) == 8 and max(held) <= before + 3, "the newest, this one, and the one before it"


def test_a_digest_quotes_the_newest_letters_of_a_round_that_has_too_many(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MOST", 2)
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    for name in ("first", "second", "third"):
        actions.release(house.draft(f"This is the {name} one."), now=datetime.now(UTC))
    assert close(house, server)
    text = server.messages[-1].content
    assert b"first" not in text and text.index(b"second") < text.index(b"third")


def test_letters_to_a_few_are_not_gathered(house: House) -> None:
    letter = house.draft()
    assert [waits(letter, frequency, datetime.now(UTC)) for frequency in range(5)] == ["", "", "digest", "digest", ""]
    letter.tag_id = 1
    assert [waits(letter, frequency, datetime.now(UTC)) for frequency in (2, 3, 4)] == ["", "", ""]


def test_whoever_writes_the_database_has_no_draft_quoted_in_a_digest_and_no_letter_to_few(
    house: House, server: ScriptedServer
) -> None:
    _always, gathers = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    letter, board, draft = house.released(), house.draft("For the board alone."), house.draft("Nobody released it.")
    run_campaign(letter.pk, 120)
    tag = tags_for(house.organization, ["The board"])["The board"]
    SubscriberTag.objects.create(subscriber=Subscriber.objects.order_by("id")[0], tag_id=tag)
    Campaign.objects.filter(pk=board.pk).update(tag=tag)
    board.refresh_from_db()
    actions.release(board, now=datetime.now(UTC))
    run_campaign(board.pk, 120)
    round = List.objects.get(id=house.list.id).digest_round
    Edition.objects.filter(campaign=letter).update(campaign=draft)
    Campaign.objects.filter(pk__in=(board.pk, draft.pk)).update(tag=None, digest_round=round)
    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    assert make_due(datetime.now(UTC)) == 0
    assert not Campaign.objects.filter(is_digest=True).exists()


def test_whoever_writes_the_database_writes_no_text_into_a_digest_by_where_its_letters_are_read(
    house: House, server: ScriptedServer
) -> None:
    always, gathers = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    letter = agreed_and_sent(house)
    Edition.objects.filter(campaign=letter).update(archive_slug="x)\n\n# Pay: [our bank](https://evil.io)\n")
    close(house, server)
    digest = next(message for message in server.messages if message.recipient == gathers)
    assert b"evil.io" not in digest.content and b"our bank" not in digest.content


def test_where_everybody_gathers_a_letter_goes_by_the_digest_alone(house: House, server: ScriptedServer) -> None:
    people = house.people(3)
    house.route(server)
    for one in people:
        wish(house, one, often="digest")
    assert close(house, server) is None
    ListTotal.objects.update_or_create(list=house.list, status=1, defaults={"count": 3})  # `people` counts nobody.
    found = whom(house.draft(), datetime.now(UTC))
    assert (found.known, found.without, found.may) == (3, {"digest": 3}, 0)
    letter = house.released()
    ended = run_campaign(letter.pk, 120)
    assert (ended["ended"], ended["frozen"], ended["accepted"]) == ("finished", 0, 0)
    letter.refresh_from_db()
    assert queries.recount(letter).adds_up and Campaign.objects.get(pk=letter.pk).digest_round == 2
    assert close(house, server).frozen == 3
    assert close(house, server) is None
    assert got(server) == {one: ["digest"] for one in people}


def test_the_command_line_lets_such_a_letter_go(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ada,) = house.people(1)
    house.route(server)
    wish(house, ada, often="digest")
    close(house, server)
    monkeypatch.setattr(bootstrap, "open_house", lambda: None)
    monkeypatch.setattr(bootstrap, "organization", lambda: house.organization)
    monkeypatch.setattr("samizdat.delivery.sending_gate.verdicts", lambda *_, **__: [])
    told = CliRunner().invoke(campaign_check, [str(house.draft().pk)])
    assert told.exit_code == 0 and "they get it there" in told.output


def test_whoever_changes_their_mind_before_such_a_letter_begins_gets_it_once(
    house: House, server: ScriptedServer
) -> None:
    stays, changes = house.people(2)
    house.route(server)
    for one in (stays, changes):
        wish(house, one, often="digest")
    close(house, server)
    later = house.released(at=datetime.now(UTC) + timedelta(hours=2))
    wish(house, changes, often="all")
    close(house, server)  # The round in which they left the digest is over.
    assert (later.frozen, begin(later)["accepted"]) == (0, 1)
    close(house, server)
    assert got(server) == {changes: ["News"], stays: ["digest"]}


def test_a_list_whose_readers_have_all_left_reaches_nobody_whatever_they_once_chose(house: House) -> None:
    (gathers,) = house.people(1)
    wish(house, gathers, often="digest")
    Subscription.objects.update(frequency=FREQUENCIES.index("digest"), digest_turn=1)
    house.leave(gathers)
    with pytest.raises(NobodyToWrite):
        house.released()
    Subscription.objects.update(status=1, mail_verdict=1)
    change_settings(house.organization, by=None, now=datetime.now(UTC), public_url="", return_address="a@b.example")
    with pytest.raises(NobodyToWrite):
        house.released()  # Without public pages no digest is made.


def test_a_digest_waits_for_a_letter_that_was_paused(house: House, server: ScriptedServer) -> None:
    gathers, _other = house.people(2)
    wish(house, gathers, often="digest")
    close(house, server)
    letter = house.released()
    actions.pause(letter, now=datetime.now(UTC))
    assert close(house, server) is None
    actions.cancel(letter, now=datetime.now(UTC))
    assert close(house, server) is None
    assert List.objects.get().digest_round == 3


def agreed_and_sent(house: House, template: Any = None) -> Any:
    """A letter of a house where a second person agrees. template: in a frame, which takes its HTML."""
    change_settings(house.organization, by=None, now=datetime.now(UTC), requires_approval=True)
    vera = add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    give_role(vera, house.organization, "editor", by=None, now=datetime.now(UTC))
    letter = house.draft()
    if template is not None:
        written = draft_of(letter).with_(body="<p>Hello</p>", format="html")
        letter = create(house.organization, house.list, written, by=None, now=datetime.now(UTC), template=template)
    agree(letter, bond_of(open_campaign(letter)), by=vera, now=datetime.now(UTC))
    run_campaign(actions.release(letter, now=datetime.now(UTC)).pk, 120)
    return letter


@pytest.mark.parametrize("what", ["list", "stand-in", "reminder", "yes", "seal"])
def test_a_digest_waits_for_a_person_where_what_its_letters_say_is_not_what_was_agreed_to(
    house: House, server: ScriptedServer, what: str
) -> None:
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    letter, now = agreed_and_sent(house), datetime.now(UTC)
    evil = "Confirm at https://evil.example"
    if what == "list":
        rename_list(house.list, "Confirm at evil dot example", now=now)
    elif what == "stand-in":
        change_field(house.organization, house.field, tag="FNAME", label="First name", default=evil, now=now)
    elif what == "reminder":
        change_list(house.list, ListDetails(reminder=evil), now=now)
    elif what == "yes":  # As a draft that somebody wrote into the round.
        Approval.objects.filter(campaign=letter).delete()
    else:
        Approval.objects.filter(campaign=letter).update(yes_sealed=b"rubbish")
    assert close(house, server) is None
    made = Campaign.objects.get(is_digest=True)
    assert (made.state, made.reason) == ("draft", STUCK)
    with pytest.raises(NotApproved, match="needs approval before it’s sent"):
        actions.release(made, now=now)
    agree(made, bond_of(open_campaign(made)), by=Person.objects.get(), now=now)
    assert actions.release(made, now=now).frozen == 1, "its readers are beside it"


def test_a_digest_waits_for_a_person_where_its_frame_is_not_that_of_the_letter_that_was_agreed_to(
    house: House, server: ScriptedServer
) -> None:
    """The letter is compared with the template of its column, the digest takes the one that was released: whoever
    writes the database could have put another one under its number."""
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    frame, twin = (
        import_template.take_in(house.organization, name, FRAME, by=None, now=datetime.now(UTC)).template
        for name in ("Frame", "Twin")
    )
    letter = agreed_and_sent(house, frame)
    Campaign.objects.filter(pk=letter.pk).update(template=twin)
    assert close(house, server) is None
    made = Campaign.objects.get(is_digest=True)
    assert (made.state, made.reason) == ("draft", STUCK)


def test_where_a_second_person_agrees_a_digest_goes_as_it_was_made_and_edited_like_any_letter(
    house: House, server: ScriptedServer
) -> None:
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    agreed_and_sent(house)
    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    make_due(datetime.now(UTC))
    made = Campaign.objects.get(is_digest=True)
    assert made.state == "held"
    actions.take_back(made, now=datetime.now(UTC))
    made.refresh_from_db()
    as_made = draft_of(made)
    save(made, as_made.with_(subject="Urgent"), version=made.version, by=None, now=datetime.now(UTC))
    with pytest.raises(NotApproved, match="needs approval before it’s sent"):
        actions.release(made, now=datetime.now(UTC))
    save(made, as_made, version=made.version, by=None, now=datetime.now(UTC))
    actions.release(made, now=datetime.now(UTC))
    run_campaign(made.pk, 120)
    assert got(server) == {gathers: ["digest"]}


def test_taken_back_a_digest_keeps_its_readers_and_waits_for_a_person(house: House, server: ScriptedServer) -> None:
    gathers, _other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    letter = house.released()
    assert letter.digest_round == 2
    actions.pause(letter, now=datetime.now(UTC))
    actions.take_back(letter, now=datetime.now(UTC))
    assert (letter.digest_round, DigestRecipients.objects.count()) == (0, 0), "it is in the round in which it goes out"
    run_campaign(actions.release(letter, now=datetime.now(UTC)).pk, 30)
    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    assert make_due(datetime.now(UTC)) == 1
    made = Campaign.objects.get(is_digest=True)
    actions.take_back(made, now=datetime.now(UTC))
    assert make_due(datetime.now(UTC)) == 0
    assert actions.release(made, now=datetime.now(UTC)).frozen == 1


def test_whoever_writes_the_database_has_no_draft_released_as_a_digest_and_stops_nobody_elses(
    house: House, server: ScriptedServer
) -> None:
    gathers, _other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    draft = house.draft()
    DigestRecipients.objects.create(campaign=draft, numbers=b"\0\0\0")
    DigestRecipients.objects.create(campaign=draft, numbers=pack_numbers(everybody()))
    Campaign.objects.filter(pk=draft.pk).update(is_digest=True)
    assert close(house, server) is not None, "the digest of the round goes all the same"
    draft.refresh_from_db()
    assert (draft.state, draft.reason) == ("draft", STUCK)
    with pytest.raises(NobodyToWrite):
        actions.release(draft, now=datetime.now(UTC))


def test_a_digest_that_a_person_took_back_is_not_released_because_the_database_says_nobody_did(
    house: House, server: ScriptedServer
) -> None:
    gathers, _other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    assert make_due(datetime.now(UTC)) == 1
    made = Campaign.objects.get(is_digest=True)
    actions.take_back(made, now=datetime.now(UTC))
    aside = DigestRecipients.objects.get()
    DigestRecipients.objects.create(campaign=made, numbers=aside.numbers)
    DigestRecipients.objects.create(campaign=made, numbers=pack_numbers(everybody()))
    Campaign.objects.filter(pk=made.pk).update(reason="")
    assert make_due(datetime.now(UTC)) == 0
    assert actions.release(made, now=datetime.now(UTC)).frozen == 1, "once, and nobody besides"


def test_a_list_whose_digest_cannot_be_made_keeps_nobody_elses_waiting(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gathers,) = house.people(1)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)

    def broken(_list: Any, _now: datetime) -> None:
        raise ValueError("unreadable")

    List.objects.filter(id=house.list.id).update(digest_due=datetime.now(UTC))
    with monkeypatch.context() as patched:
        patched.setattr(digests, "release", _killed)
        with pytest.raises(SystemExit):
            make_due(datetime.now(UTC))
    assert Campaign.objects.get(is_digest=True).state == "draft"
    monkeypatch.setattr(digests, "_look", broken)
    with pytest.raises(ValueError, match="unreadable"):
        make_due(datetime.now(UTC))
    assert Campaign.objects.get(is_digest=True).state == "held"


def _killed(*_what: object, **_how: object) -> None:
    raise SystemExit


def test_switching_digests_off_sends_the_last_one_first(house: House, server: ScriptedServer) -> None:
    gathers, _other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    set_digest(house.list, "", now=datetime.now(UTC))
    assert close(house, server).frozen == 1
    assert close(house, server) is None
    assert often(house) == ["all", "all"]
    wish(house, gathers, often="digest")
    assert often(house) == ["all", "all"]


def test_a_digest_that_cannot_go_out_stays_as_a_draft_for_a_person(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathers, _other = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    with monkeypatch.context() as patch:
        patch.setattr(digests, "release", refuse)
        assert close(house, server) is None
    assert close(house, server) is None
    draft = Campaign.objects.get(is_digest=True)
    assert (draft.state, draft.reason) == ("draft", "digest")
    assert actions.release(draft, now=datetime.now(UTC)).frozen == 1


@pytest.mark.parametrize(("late", "released"), [(59, 1), (61, 0)])
def test_a_digest_more_than_an_hour_late_waits_for_a_person(
    house: House, server: ScriptedServer, late: int, released: int
) -> None:
    """The server was off over its day: nobody gets last week's news by surprise."""
    _always, gathers = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    run_campaign(house.released().pk, 120)
    now = datetime.now(UTC)
    List.objects.filter(id=house.list.id).update(digest_due=now - timedelta(minutes=late))
    assert make_due(now) == released
    digest = Campaign.objects.get(is_digest=True)
    assert (digest.state, digest.reason) == (("held", "") if released else ("draft", STUCK))
    assert Event.objects.filter(kind="digest.start_missed").count() == 1 - released
    Campaign.objects.filter(pk=digest.pk, state="draft").update(reason="")
    assert make_due(now + timedelta(minutes=1)) == 0, "nor because somebody wrote that nothing is the matter"


def test_a_digest_that_waited_for_a_paused_campaign_is_not_late(house: House, server: ScriptedServer) -> None:
    _always, gathers = house.people(2)
    house.route(server)
    wish(house, gathers, often="digest")
    close(house, server)
    paused = house.released()
    actions.pause(paused, now=datetime.now(UTC))
    now = datetime.now(UTC)
    List.objects.filter(id=house.list.id).update(digest_due=now)
    for minutes in range(0, 180, 30):
        assert make_due(now + timedelta(minutes=minutes)) == 0
    actions.resume(paused, now=now)
    run_campaign(paused.pk, 120)
    assert make_due(now + timedelta(minutes=180)) == 1
