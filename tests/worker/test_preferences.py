"""What readers decide in the preference centre is taken up, and what cannot be undone takes their mailbox (T10)."""

import email
import email.policy
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import preferences, signup_alarm
from samizdat.audience.actions.forms import FormFacts, make_form
from samizdat.audience.consent_writer import reseal, values_of
from samizdat.audience.models import Subscriber, SubscriberTag, Subscription
from samizdat.core import consent
from samizdat.core.crypto import seal, tokens
from samizdat.delivery.actions import add_route
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.publicdb import queries as publicdb
from samizdat.publicdb.models import Intake, PrivatePage, Site
from samizdat.vault import keyring
from samizdat.worker.inbox import link_keys, signup_memory, subject_requests, unsubscribes
from samizdat.worker.inbox import preferences as choosing
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import admin_alerts
from tests.conftest import NOW, TODAY
from tests.worker.conftest import say, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

SECRET = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def ada(lantern: Any, thursday: Any) -> Any:
    return audience.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)


def token(organization: Any, subscriber: Any, purpose: str = "preferences", edition: int = 999) -> str:
    keys = keyring.keys(organization)
    assert keys.link is not None
    return tokens.make(keys.link, purpose, edition, subscriber.number)


def ask(organization: Any, subscriber: Any, kind: str, **words: str) -> None:
    say(organization, kind, **({"token": token(organization, subscriber), "purpose": "preferences"} | words))


def shown(organization: Any, subscriber: Any) -> dict[str, Any] | None:
    place = Site.objects.get(uid=bytes(organization.uid))
    text = publicdb.sheet(place, token(organization, subscriber) + SECRET, NOW)
    return json.loads(text) if text else None


def may(subscriber: Any, list_: Any) -> str:
    return consent.REASONS[Subscription.objects.get(subscriber=subscriber, list=list_).mail_verdict]


def mails(folder: Path) -> dict[str, str]:
    """Recipient -> the text of their newest mail."""
    found = sorted(folder.rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    read = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in found]
    return {str(mail["To"]): mail.get_content() for mail in read}


def linked(text: str) -> str:
    return re.search(r"https://lantern\.example/[deno]/([a-z2-7]{52})", text)[1]  # type: ignore[index]


def test_a_choice_for_all_lists_costs_as_many_looks_at_their_records_as_one_for_a_list(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may bring hundreds of records about somebody on fifty lists: settled for each list, they held the
    database for a second a press."""
    ada, boris = (
        audience.add_subscriber(lantern, f"{name}@example.org", thursday, consent="s", now=NOW)
        for name in ("ada", "boris")
    )
    lists = [thursday]
    for number in range(4):
        lists.append(audience.new_list(lantern, f"List {number}", now=NOW))
        audience.add_subscriber(lantern, "boris@example.org", lists[-1], consent="s", now=NOW)
    looked: list[Any] = []
    read = audience_sql.digested_consent_of
    monkeypatch.setattr(audience_sql, "digested_consent_of", lambda ids: looked.append(ids) or read(ids))
    looks = []
    for reader in (ada, boris):
        looked.clear()
        ask(lantern, reader, "prefer", often="pause", until=(TODAY + timedelta(days=30)).isoformat())
        choosing.take(NOW)
        looks.append(len(looked))
    assert [may(boris, list_) for list_ in lists] == ["paused"] * 5
    assert looks[1] == looks[0] > 0


def test_many_who_choose_fewer_emails_are_an_alarm_and_get_as_many_again(lantern: Any, thursday: Any) -> None:
    """A public process that was taken could pause everybody, and the group would reach nobody."""
    tag = audience.tags_for(lantern, ["rivers"])["rivers"]
    make_form(lantern, FormFacts("F", "en", (thursday.id,), "I agree.", topics=(tag,)), now=NOW)
    readers = [
        audience.add_subscriber(lantern, f"r{n}@example.org", thursday, consent="s", now=NOW, tags=["rivers"])
        for n in range(6)
    ]
    until = (TODAY + timedelta(days=300)).isoformat()
    ask(lantern, readers[0], "prefer", often="pause", until=until)
    ask(lantern, readers[1], "prefer", often="monthly")
    ask(lantern, readers[5], "prefer", often="all", language="ru", wishes="t")
    choosing.take(NOW)
    assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
    ask(lantern, readers[2], "prefer", topics=[], offered=[tag])
    ask(lantern, readers[3], "prefer", often="pause", until=until)
    choosing.take(NOW)
    ask(lantern, readers[3], "prefer", often="monthly")
    choosing.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert (detail_of(alarm)["what"], detail_of(alarm)["left"]) == ("fewer", 4)
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW) == 3
    assert [may(one, thursday) for one in readers] == ["yes"] * 6
    assert preferences.often_of(readers[1], thursday.id) == ("all", None)
    assert preferences.often_of(readers[3], thursday.id) == ("monthly", None), "they chose that themselves since"
    assert SubscriberTag.objects.filter(tag=tag).count() == 6


def test_many_who_are_paused_one_by_one_are_an_alarm_too(lantern: Any, thursday: Any) -> None:
    readers = [audience.add_subscriber(lantern, f"r{n}@example.org", thursday, consent="s", now=NOW) for n in range(60)]
    until = (TODAY + timedelta(days=300)).isoformat()
    for turn, reader in enumerate(readers[:7]):
        assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
        ask(lantern, reader, "prefer", often="pause", until=until)
        choosing.take(NOW + timedelta(hours=2 * turn))
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    told = detail_of(alarm)
    assert (told["what"], told["window"], told["left"]) == ("fewer", "day", 7)
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(hours=13)) == 7
    assert {may(one, thursday) for one in readers} == {"yes"}


def test_what_a_reader_asked_to_see_lies_in_the_publicdb_without_their_address(
    lantern: Any, thursday: Any, ada: Any
) -> None:
    ask(lantern, ada, "show", secret=SECRET)
    assert shown(lantern, ada) is None
    assert choosing.take(NOW) == 1
    found = shown(lantern, ada)
    assert found == {
        "list": thursday.id,
        "status": "subscribed",
        "often": "all",
        "until": "",
        "language": "",
        "wishes": "",
        "topics": [],
        "gathers": True,
        "appeals": None,
    }
    assert b"ada@" not in bytes(PrivatePage.objects.get().box)
    place = Site.objects.get(uid=bytes(lantern.uid))
    assert publicdb.sheet(place, token(lantern, ada) + "b" * 26, NOW) is None, "the token alone opens nothing"
    assert publicdb.sheet(place, token(lantern, ada) + SECRET, NOW + timedelta(hours=2)) is None
    assert not Intake.objects.exists()


def test_what_a_reader_chose_counts(lantern: Any, thursday: Any, ada: Any) -> None:
    until = TODAY + timedelta(days=30)
    words = {"often": "pause", "until": until.isoformat(), "language": "ru", "wishes": "t", "topics": [1, 2]}
    ask(lantern, ada, "prefer", **words)
    assert choosing.take(NOW) == 1
    assert may(ada, thursday) == "paused"
    ask(lantern, ada, "show", secret=SECRET)
    choosing.take(NOW)
    found = shown(lantern, ada)
    assert found is not None
    assert (found["until"], found["language"], found["wishes"]) == (until.isoformat(), "ru", "t")


@pytest.mark.parametrize(
    "words",
    [
        {"often": "never", "until": "x", "language": "../../etc", "wishes": "<script>", "topics": "9" * 400},
        {"often": "pause", "until": "9999-12-31"},
        {"often": "pause", "until": "2026-11-25T00:00:00"},
        {"token": "a" * 52, "often": "monthly"},
        {"token": "", "often": "monthly"},
        {"purpose": "confirm", "often": "monthly"},
    ],
)
def test_what_the_public_process_makes_up_changes_nothing_of_note(
    lantern: Any, thursday: Any, ada: Any, words: dict[str, str]
) -> None:
    ask(lantern, ada, "prefer", **words)
    ask(lantern, ada, "show", **{"secret": "x" * 400} | words)
    choosing.take(NOW)
    row = Subscription.objects.get(subscriber=ada, list=thursday)
    assert (row.paused, row.frequency, may(ada, thursday)) == (None, 0, "yes")
    assert not PrivatePage.objects.exists() and not Intake.objects.exists()


def test_a_token_of_another_organization_shows_and_changes_nothing(
    lantern: Any, thursday: Any, ada: Any, vault: Any
) -> None:
    other = found_organization("Harbour", source=vault, today=TODAY)
    publish.publish_place(other)
    say(other, "prefer", token=token(lantern, ada), purpose="preferences", often="monthly")
    say(lantern, "prefer", token=token(other, ada), purpose="preferences", often="monthly")
    say(lantern, "show", token=token(other, ada), purpose="preferences", secret=SECRET)
    choosing.take(NOW)
    assert Subscription.objects.get(subscriber=ada, list=thursday).frequency == 0
    assert shown(lantern, ada) is None


def test_erasing_takes_a_mail_to_the_subscriber_and_a_press_of_its_link(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    ask(lantern, ada, "ask", what="erase")
    assert subject_requests.take(NOW) == 1
    sent = linked(mails(out)["ada@example.org"])
    assert publicdb.token_state(sent) == "asked-erase"
    assert Subscriber.objects.count() == 1
    say(lantern, "proven", token=sent, purpose="erase")
    choosing.take(NOW)
    assert not Subscriber.objects.exists()
    assert queries.suppression_of(lantern, "ada@example.org") == "erased"
    assert publicdb.token_state(sent) == "erased"
    say(lantern, "proven", token=sent, purpose="erase")
    assert choosing.take(NOW) == 1, "replayed"


@pytest.mark.parametrize("purpose", ["leave", "preferences", "confirm", "data", "move"])
def test_no_other_token_erases_a_subscriber(lantern: Any, thursday: Any, ada: Any, purpose: str) -> None:
    forged = choosing.mailed_token(ada, "erase", NOW)
    days = tokens.read(keyring.keys(lantern).links, "erase", forged).edition
    say(lantern, "proven", token=token(lantern, ada, purpose, days), purpose="erase")
    say(lantern, "proven", token=token(lantern, ada, purpose, days), purpose=purpose)
    choosing.take(NOW)
    assert status(ada, thursday) == "subscribed"


def test_the_public_process_can_neither_make_nor_read_what_erases(lantern: Any, vault: Any) -> None:
    assert not {*choosing.MAILED} & {*link_keys.PURPOSES}


def test_a_mailed_link_works_for_a_week(lantern: Any, thursday: Any, ada: Any) -> None:
    sent = choosing.mailed_token(ada, "erase", NOW)
    assert choosing.read_mailed(lantern, "erase", sent, NOW + timedelta(days=7)) is not None
    assert choosing.read_mailed(lantern, "erase", sent, NOW + timedelta(days=9)) is None
    assert choosing.read_mailed(lantern, "erase", sent, NOW - timedelta(days=1)) is None


def test_asking_again_and_again_writes_a_reader_one_mail_a_day(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    for _ in range(4):
        ask(lantern, ada, "ask", what="erase")
    subject_requests.take(NOW)
    assert len([*out.rglob("*.eml")]) == 1
    ask(lantern, ada, "ask", what="erase")
    subject_requests.take(NOW + timedelta(days=1))
    assert len([*out.rglob("*.eml")]) == 2


def test_a_readers_data_lies_sealed_with_a_token_that_only_their_mailbox_has(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    ask(lantern, ada, "ask", what="data")
    subject_requests.take(NOW)
    sent = linked(mails(out)["ada@example.org"])
    place = Site.objects.get(uid=bytes(lantern.uid))
    text = publicdb.sheet(place, sent, NOW + timedelta(days=6))
    assert text is not None
    assert "ada@example.org" in text and json.loads(text)
    assert all(b"ada@example.org" not in bytes(row.box) for row in PrivatePage.objects.all())


def test_a_copy_of_their_data_goes_to_no_mailbox_that_they_left(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    """As whoever writes the database has it, who puts an older blob of theirs back."""
    older = Subscriber.objects.get(pk=ada.pk).sealed
    audience.correct_address(ada, "ada@new.example", now=NOW)
    Subscriber.objects.filter(pk=ada.pk).update(sealed=older)
    ask(lantern, ada, "ask", what="data")
    subject_requests.take(NOW)
    assert not mails(out)


def test_the_copy_of_a_readers_data_goes_with_them(lantern: Any, thursday: Any, ada: Any, out: Path) -> None:
    """The house could make the token of that mail anew, so it would lie there for a week, open to both."""
    ask(lantern, ada, "ask", what="data")
    subject_requests.take(NOW)
    sent, place = linked(mails(out)["ada@example.org"]), Site.objects.get(uid=bytes(lantern.uid))
    assert publicdb.sheet(place, sent, NOW) is not None
    audience.erase(lantern, subscriber=ada, now=NOW)
    [event] = Event.objects.filter(kind="subscriber.erased")
    choosing.drop_data(event, NOW + timedelta(days=2))
    assert publicdb.sheet(place, sent, NOW) is None and not PrivatePage.objects.exists()


def test_a_number_given_to_somebody_else_opens_neither_their_data_nor_what_erases_or_moves_them(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    """As whoever writes the database has it: a visitor who has Ada's number for an hour is mailed by it."""
    rows = Subscriber.objects.filter(pk=ada.pk)
    [theirs] = rows.values("sealed", "email_index")
    reseal(ada, values_of(keyring.keys(lantern), ada) | {seal.ADDRESS: "thief@post.example"})
    thief = rows.get()
    sent = {purpose: choosing.mailed_token(thief, purpose, NOW, 7) for purpose in ("move", "allow")}
    sent |= {purpose: choosing.mailed_token(thief, purpose, NOW) for purpose in ("data", "erase")}
    rows.update(**theirs)
    ask(lantern, ada, "ask", what="data")
    subject_requests.take(NOW)
    assert publicdb.sheet(Site.objects.get(uid=bytes(lantern.uid)), sent["data"], NOW) is None
    assert choosing.read_mailed(lantern, "erase", sent["erase"], NOW) is None
    for purpose in ("move", "allow"):
        [_ada, mark] = choosing.read_mailed(lantern, purpose, sent[purpose], NOW) or (None, None)
        assert mark != 7


def test_another_mailbox_is_asked_once_the_old_one_has_allowed_it_and_is_not_named_whole_there(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    ask(lantern, ada, "move", address="ada@new.example")
    assert subject_requests.take(NOW) == 1
    sent = mails(out)
    assert {*sent} == {"ada@example.org"}
    assert "a…@new.example" in sent["ada@example.org"] and "ada@new.example" not in sent["ada@example.org"]
    say(lantern, "allowed", token=linked(sent["ada@example.org"]), purpose="allow")
    assert subject_requests.take(NOW) == 1
    assert queries.address_of(ada) == "ada@example.org"
    say(lantern, "proven", token=linked(mails(out)["ada@new.example"]), purpose="move")
    choosing.take(NOW)
    ada.refresh_from_db()
    assert queries.address_of(ada) == "ada@new.example"
    assert status(ada, thursday) == "subscribed"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("ada@your-subscription-ends-today.confirm-at.evil.io", "a…@…evil.io"),
        ("ada@your-subscription-ends-today.io", "a…@…bscription-ends-today.io"),
        ("ada@mail.new.co.uk", "a…@…new.co.uk"),
        ("ada@gmail.com", "a…@gmail.com"),
    ],
)
def test_of_another_mailbox_the_old_one_reads_the_end_of_the_domain_alone(
    lantern: Any, thursday: Any, ada: Any, out: Path, typed: str, shown: str
) -> None:
    """Whoever has links of many subscribers would have a line of theirs mailed to each."""
    ask(lantern, ada, "move", address=typed)
    subject_requests.take(NOW)
    words = mails(out)["ada@example.org"].split()
    assert [word for word in words if "@" in word and "…" in word] == [shown]


def test_whoever_has_a_forwarded_letter_can_neither_take_a_reader_over_nor_end_their_move(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    """A reader asked for a new mailbox; a stranger asks for another, before the reader presses the link and the day
    after. What the reader's own mailbox allowed is what holds, until it allows something else."""
    ask(lantern, ada, "move", address="ada@new.example")
    subject_requests.take(NOW)
    own = linked(mails(out)["ada@example.org"])
    ask(lantern, ada, "move", address="mallory@evil.example")
    subject_requests.take(NOW)
    say(lantern, "allowed", token=own, purpose="allow")
    subject_requests.take(NOW)
    assert {*mails(out)} == {"ada@example.org", "ada@new.example"}
    there = linked(mails(out)["ada@new.example"])
    ask(lantern, ada, "move", address="mallory@evil.example")
    subject_requests.take(NOW + timedelta(days=1))
    assert "m…@evil.example" in mails(out)["ada@example.org"]
    assert (publicdb.token_state(own), publicdb.token_state(there)) == ("allowed", "asked-move")
    say(lantern, "proven", token=there, purpose="move")
    choosing.take(NOW + timedelta(days=1))
    ada.refresh_from_db()
    assert queries.address_of(ada) == "ada@new.example"


def test_another_mailbox_that_the_reader_allowed_since_ends_the_first_one(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    """The reader mistyped the first one: whoever has it must not get their letters by pressing late."""
    links = []
    for day, address in enumerate(("ada@mistyped.example", "ada@new.example")):
        now = NOW + timedelta(days=day)
        ask(lantern, ada, "move", address=address)
        subject_requests.take(now)
        say(lantern, "allowed", token=linked(mails(out)["ada@example.org"]), purpose="allow")
        subject_requests.take(now)
        links.append(linked(mails(out)[address]))
    assert publicdb.token_state(links[0]) == "forgotten"
    for there in links:
        say(lantern, "proven", token=there, purpose="move")
        choosing.take(now)
    ada.refresh_from_db()
    assert queries.address_of(ada) == "ada@new.example"


def test_who_left_every_list_is_not_asked_where_their_letters_should_go(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    audience.unsubscribe(ada, thursday, way="form", now=NOW)
    ask(lantern, ada, "move", address="ada@new.example")
    assert subject_requests.take(NOW) == 1
    assert not [*out.rglob("*.eml")] and not Intake.objects.exists()


def test_nothing_is_lost_while_no_route_lives(
    lantern: Any, thursday: Any, ada: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_memory, "WAITS", (0,))
    ask(lantern, ada, "ask", what="erase")
    assert subject_requests.take(NOW) == 0
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    assert subject_requests.take(NOW) == 1
    assert linked(mails(tmp_path)["ada@example.org"])


def test_who_said_no_is_mailed_a_few_times_a_day_and_many_such_mails_alarm_admins(
    lantern: Any, thursday: Any, ada: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_memory, "WAITS", (0,))
    monkeypatch.setattr(signup_alarm, "FEW", 10)
    monkeypatch.setattr(subject_requests, "SAID_NO_A_DAY", 9)
    for number in range(12):
        left = audience.add_subscriber(lantern, f"left{number}@example.org", thursday, consent="By phone", now=NOW)
        if number % 3:
            audience.unsubscribe(left, thursday, now=NOW)
        else:
            audience.suppress(lantern, "complaint", subscriber=left, now=NOW)
        ask(lantern, left, "ask", what="erase" if number % 2 else "data")
    while subject_requests.take(NOW):
        pass
    assert len(mails(out)) == 9 and not signup_alarm.alarms(lantern, NOW)
    ask(lantern, ada, "ask", what="data")
    assert subject_requests.take(NOW) == 1
    assert "ada@example.org" in mails(out)
    [alarm] = signup_alarm.alarms(lantern, NOW)
    assert signup_alarm.is_about_data(alarm), "these are no sign-ups"
    assert [alert.subject() for alert in admin_alerts._due(NOW)] == ["Unusually many data requests: Northern Lantern"]
    assert subject_requests.take(NOW + timedelta(days=1)) == 3, "nobody's request is lost"
