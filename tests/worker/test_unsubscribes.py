"""What readers sent in is proven again, done once, and much leaving raises an alarm (design.md, section 7)."""

import json
import os
import struct
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import numbers, queries
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import forms, settle_again
from samizdat.audience.models import GROWTH, SUBSCRIBED, ConsentRecord, Growth, Subscription
from samizdat.campaigns import edition_details
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import consent
from samizdat.core.crypto import tokens
from samizdat.core.mail.ledger import State
from samizdat.delivery.actions.unsubscribe_totals import add_unsubscribes
from samizdat.delivery.models import Delivery, ProviderTotal, Route, RouteTotal
from samizdat.events.actions import detail_of, record, whole_day
from samizdat.events.models import Event, FollowUp
from samizdat.privacy.subject_access import access_file
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import Form, Intake, Site
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.vault.errors import KeyRefused
from samizdat.web.settings import alarms
from samizdat.worker.inbox import (
    by_mail,
    clicks,
    inbox,
    leaving_alarm,
    preferences,
    reconsent,
    signups,
    subject_requests,
    unsubscribes,
    webhooks,
)
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW, TODAY
from tests.events_read import events_read
from tests.worker.conftest import moved_in, say, seal_in, status

pytestmark = pytest.mark.django_db


@pytest.fixture
def edition(lantern: Any, thursday: Any) -> Edition:
    campaign = Campaign.objects.create(
        organization=lantern, list=thursday, draft_sealed=b"", state="sending", created=NOW, changed=NOW
    )
    return edition_of(campaign)


def edition_of(campaign: Campaign) -> Edition:
    """Sealed as a release seals it: for the list and the purpose of the campaign."""
    keys = keyring.keys(campaign.organization)
    assert keys.link is not None
    edition = Edition.objects.create(
        campaign=campaign,
        organization=campaign.organization,
        compiled_sealed=b"",
        details_sealed=b"",
        link_key=keys.link.number,
        message_id_domain="lantern.example",
        created=NOW,
    )
    seal_details(edition)
    return edition


def seal_details(edition: Edition) -> None:
    envelope = dict.fromkeys(("subject", "preheader", "from_name", "from_email", "reply_to", "body", "format"), "")
    of = {"campaign": edition.campaign.pk, "list": edition.campaign.list_id, "purpose": edition.campaign.purpose}
    details = EditionDetails(**envelope, pictures="linked", links=(), **of)  # type: ignore[arg-type]
    edition.details_sealed = edition_details.sealed(keyring.keys(edition.organization), edition.pk, details)
    edition.save(update_fields=["details_sealed"])


def people(lantern: Any, list_: Any, count: int) -> list[Any]:
    return [
        audience.add_subscriber(lantern, f"reader{number}@example.org", list_, consent="said so", now=NOW)
        for number in range(count)
    ]


def released_for(edition: Edition, purpose: str) -> Edition:
    Campaign.objects.filter(pk=edition.campaign_id).update(purpose=consent.PURPOSES.index(purpose))
    edition.refresh_from_db()
    seal_details(edition)
    return edition


def token(organization: Any, subscriber: Any, edition: int, purpose: str = "leave") -> str:
    keys = keyring.keys(organization)
    assert keys.link is not None
    return tokens.make(keys.link, purpose, edition, subscriber.number)


def test_a_reader_leaves_and_it_is_a_consent_record(lantern: Any, thursday: Any, edition: Edition) -> None:
    (ada,) = people(lantern, thursday, 1)
    leave = token(lantern, ada, edition.id)
    say(lantern, "leave", token=leave, purpose="leave", way="one-click")
    assert unsubscribes.take(NOW) == 1
    assert status(ada, thursday) == "unsubscribed"
    record = ConsentRecord.objects.filter(subscriber=ada).latest("id")
    assert (consent.KINDS[record.kind], consent.WAYS[record.channel]) == ("withdrawn", "one-click")
    assert token_state(leave) == "left"
    assert not Intake.objects.exists()


def test_an_old_link_leaves_wherever_its_key_was_brought_along(
    lantern: Any, thursday: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells which of two organizations wrote the letter: whoever brought the key first gets what it asks."""
    (ada,) = people(lantern, thursday, 1)
    bell = found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    publish.publish_place(bell)
    theirs = audience.new_list(bell, "Theirs", now=NOW)
    Organization.objects.filter(pk=bell.pk).update(next_number=ada.number)
    monkeypatch.setattr(numbers, "BLOCK", 1)
    (other,) = people(bell, theirs, 1)
    assert other.number == ada.number, "as where both brought one export in"
    former = tokens.LinkKey(77, bytes(range(32)))
    for organization in (lantern, bell):
        moved_in(organization, former, vault)
        keyring.look_again(organization)
    leave = tokens.make(former, "leave", 5, ada.number)
    say(bell, "leave", token=leave, purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == status(other, theirs) == "unsubscribed"
    mine = token(lantern, ada, 5)
    audience.undo_unsubscribe(ada, thursday, way="desk", now=NOW)
    audience.undo_unsubscribe(other, theirs, way="desk", now=NOW)
    say(lantern, "leave", token=mine, purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(other, theirs)) == ("unsubscribed", "subscribed")


def test_what_a_reader_sent_twice_happens_once(lantern: Any, thursday: Any, edition: Edition) -> None:
    (ada,) = people(lantern, thursday, 1)
    for _ in range(3):
        say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="form")
    unsubscribes.take(NOW)
    left = [
        record for record in ConsentRecord.objects.filter(subscriber=ada) if consent.KINDS[record.kind] == "withdrawn"
    ]
    assert len(left) == 1
    assert Event.objects.filter(kind="subscribers.left").count() == 1


def test_one_press_takes_a_reader_back_in_the_order_they_pressed(lantern: Any, thursday: Any, edition: Edition) -> None:
    ada, boris = people(lantern, thursday, 2)
    for reader, kinds in ((ada, ("leave", "back")), (boris, ("leave", "back", "leave"))):
        for kind in kinds:
            say(lantern, kind, token=token(lantern, reader, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(boris, thursday)) == ("subscribed", "unsubscribed")
    assert token_state(token(lantern, ada, edition.id)) == "back"


def test_a_press_that_is_put_in_again_takes_back_no_later_leaving(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    """Whoever reads the intake can copy it, sealed as it is."""
    (ada,) = people(lantern, thursday, 1)
    leave = token(lantern, ada, edition.id)
    copies = {}
    for hours, what in enumerate(("leave", "back", "leave")):
        say(lantern, what, token=leave, purpose="leave", at=(NOW + timedelta(hours=hours)).isoformat())
        copies[what] = Intake.objects.values().get()
        unsubscribes.take(NOW + timedelta(hours=hours))
    Intake(**copies["back"]).save(force_insert=True)
    unsubscribes.take(NOW + timedelta(days=3))
    assert status(ada, thursday) == "unsubscribed"


def test_a_link_takes_back_a_readers_own_leaving_of_the_last_week_and_no_other(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    """Links lie in mailboxes for ever, and a public process that was taken can make one for everybody who left."""
    released(edition, days=60)
    agreed = {"consent": "said so", "now": NOW - timedelta(days=60)}
    addresses = ("ada@example.org", "boris@example.org", "clara@example.org")
    ada, boris, clara = (audience.add_subscriber(lantern, one, thursday, **agreed) for one in addresses)
    for reader, way, days in ((ada, "form", 7), (boris, "form", 40), (clara, "desk", 1)):
        audience.unsubscribe(reader, thursday, way=way, now=NOW - timedelta(days=days))
        say(lantern, "back", token=token(lantern, reader, edition.id), purpose="leave")
        claimed = (NOW - timedelta(days=days - 1)).isoformat()
        say(lantern, "back", token=token(lantern, reader, edition.id), purpose="leave", at=claimed)
    unsubscribes.take(NOW)
    assert [status(one, thursday) for one in (ada, boris, clara)] == ["subscribed", "unsubscribed", "unsubscribed"]


def released(edition: Edition, days: int) -> None:
    """So many days ago."""
    Edition.objects.filter(id=edition.id).update(created=NOW - timedelta(days=days))


@pytest.mark.parametrize("reason", ["", consent.NO_ANSWER])
@pytest.mark.parametrize("purpose", consent.PURPOSES)
def test_who_was_taken_off_at_the_desk_is_not_brought_back_by_a_leaving_laid_over_it(
    lantern: Any, thursday: Any, edition: Edition, reason: str, purpose: str
) -> None:
    """A public process that was taken makes the links of everybody who ever left: it leaves and comes back."""
    released(edition, days=300)
    released_for(edition, purpose)
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="s", now=NOW - timedelta(days=400))
    audience.agree_to_appeals_of(ada, [thursday], wording="Ask me.", now=NOW - timedelta(days=400))
    long_ago = NOW - timedelta(days=200)
    audience.unsubscribe(ada, thursday, way="desk", reason=reason, purpose=purpose, now=long_ago)
    only = {"only": "appeals"} if purpose == consent.APPEALS else {}
    for kind in ("leave", "back"):
        say(lantern, kind, token=token(lantern, ada, edition.id), purpose="leave", way="form", **only)
    unsubscribes.take(NOW)
    assert not isinstance(audience.verdict(ada, thursday, NOW, purpose), consent.Permission)
    assert token_state(token(lantern, ada, edition.id)).startswith("left"), "the page does not say that they are back"


def test_a_link_takes_back_no_leaving_from_before_its_letter_was_released(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    """It never was in their mailbox."""
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="s", now=NOW - timedelta(days=60))
    audience.unsubscribe(ada, thursday, way="form", now=NOW - timedelta(days=3))
    say(lantern, "back", token=token(lantern, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"


@pytest.mark.parametrize("behind", [timedelta(minutes=-4), timedelta(days=1), timedelta(days=20)], ids=str)
@pytest.mark.parametrize("first", [60, 0], ids=["old letter", "new letter"])
def test_who_has_left_by_a_page_whose_clock_is_wrong_stays_gone(
    lantern: Any, thursday: Any, edition: Edition, behind: timedelta, first: int
) -> None:
    released(edition, days=first)
    letter = audience.new_list(lantern, "Letter", now=NOW)
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="s", now=NOW - timedelta(days=60))
    audience.confirm(ada, thursday, now=NOW - timedelta(hours=1))
    audience.add_subscriber(lantern, "ada@example.org", letter, consent="s", now=NOW - timedelta(hours=1))
    leave = token(lantern, ada, edition.id)
    say(lantern, "leave", token=leave, purpose="leave", way="form", at=(NOW - behind).isoformat())
    unsubscribes.take(NOW)
    assert token_state(leave) == "left"
    for later in (timedelta(0), timedelta(days=1), timedelta(days=40)):
        assert (status(ada, thursday), status(ada, letter)) == ("unsubscribed", "subscribed")
        assert not isinstance(audience.verdict(ada, thursday, NOW + later), consent.Permission)
        settle_again(lantern, [ada.number], now=NOW + later)
    say(lantern, "back", token=leave, purpose="leave", at=(NOW - behind).isoformat())
    unsubscribes.take(NOW)
    if not first or behind < timedelta(days=8):
        assert (status(ada, thursday), token_state(leave)) == ("subscribed", "back")


def test_a_confirmation_by_a_page_whose_clock_is_behind_takes_nobody_off_other_lists(
    lantern: Any, thursday: Any
) -> None:
    letter = audience.new_list(lantern, "Letter", now=NOW)
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW - timedelta(days=7))
    audience.add_subscriber(lantern, "ada@example.org", letter, consent="s", now=NOW)
    number = forms.dated(thursday.id, TODAY - timedelta(days=7))
    said = token(lantern, ada, number, "confirm")
    say(lantern, "confirm", token=said, at=(NOW - timedelta(days=6)).isoformat())
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(ada, letter)) == ("subscribed", "subscribed")


def test_a_form_that_somebody_filled_in_for_a_reader_takes_nothing_from_their_link(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    audience.unsubscribe(ada, thursday, way="form", now=NOW)
    audience.sign_up(lantern, queries.card(ada, NOW).address, thursday, wording="w", now=NOW)
    say(lantern, "back", token=token(lantern, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "subscribed"


def test_coming_back_makes_no_yes_that_never_was(lantern: Any, thursday: Any, edition: Edition) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    for kind in ("leave", "back"):
        say(lantern, kind, token=token(lantern, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "pending"


@pytest.mark.parametrize("purpose", ["confirm", "return", "message-id", "test"])
def test_a_token_of_another_purpose_leaves_nothing(lantern: Any, thursday: Any, edition: Edition, purpose: str) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id, purpose), purpose="leave")
    say(lantern, "leave", token=token(lantern, ada, edition.id, purpose), purpose=purpose)
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "subscribed"
    assert not Intake.objects.exists()


def test_a_token_of_another_organization_leaves_nothing(
    lantern: Any, thursday: Any, edition: Edition, vault: Any
) -> None:
    (ada,) = people(lantern, thursday, 1)
    other = found_organization("Harbour", source=vault, today=TODAY)
    publish.publish_place(other)
    say(other, "leave", token=token(lantern, ada, edition.id), purpose="leave")
    say(lantern, "leave", token=token(other, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "subscribed"


def all_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute later."""
    monkeypatch.setattr(inbox.waits, "_again", {})


def test_rubbish_in_the_intake_is_thrown_away_and_keeps_nobody_waiting(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    place = Site.objects.get(uid=bytes(lantern.uid))
    (ours,) = keyring.keys(lantern).boxes
    for box in (b"", b"abc", os.urandom(200), struct.pack(">I", ours) + os.urandom(200)):
        publicdb.drop_in(place, box)
    say(lantern, "leave", token="nonsense")
    say(lantern, "leave")
    say(lantern, "unheard-of")
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"
    # An unknown kind is left for a newer version, and an unknown key for whoever brings it.
    assert Intake.objects.count() == 2


def test_what_a_taken_public_process_seals_stops_no_loop(lantern: Any, thursday: Any, edition: Edition) -> None:
    """JSON too deep to read, a time before time, numbers beyond any row."""
    (ada,) = people(lantern, thursday, 1)
    most = 2**64 - 1
    forged = tokens.make(keyring.keys(lantern).links[edition.link_key], "leave", most, most)
    words = {"token": forged, "purpose": "leave", "secret": "a" * 26, "what": "data", "address": "a@example.org"}
    for kind in sorted(inbox.KINDS):
        say(lantern, kind, **words)
    for text in (b"[" * 20_000, b'{"kind": "leave", "at": "0001-01-01T00:00:00+23:00"}', b"[]", b'{"kind": 7}'):
        seal_in(lantern, text)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave")
    for loop in (reconsent, preferences, clicks, signups, subject_requests, by_mail, webhooks, unsubscribes):
        loop.take(NOW)
    assert status(ada, thursday) == "unsubscribed"
    assert not Intake.objects.exists()


def test_one_who_cannot_be_taken_up_keeps_the_others_of_their_slice_not_waiting(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boris = people(lantern, thursday, 2)
    leave = audience.unsubscribe_from

    def unsubscribe(subscriber: Any, *args: Any, **more: Any) -> Any:
        if subscriber.number == boris.number:
            raise RuntimeError("nobody thought of this")
        return leave(subscriber, *args, **more)

    monkeypatch.setattr(audience, "unsubscribe_from", unsubscribe)
    for reader in (boris, ada):
        say(lantern, "leave", token=token(lantern, reader, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(boris, thursday)) == ("unsubscribed", "subscribed")
    assert Intake.objects.count() == 1, "Boris is tried again"
    all_due(monkeypatch)
    unsubscribes.take(NOW + timedelta(days=3))
    assert not Intake.objects.exists()


@pytest.mark.parametrize("broken", [RuntimeError("nobody thought of this"), KeyRefused("not now")], ids=["box", "keys"])
def test_a_box_that_breaks_while_it_is_opened_is_given_up_unless_the_keys_cannot_be_had(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave")

    def wanted(*_given: Any) -> Any:
        raise broken

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_wanted", wanted)
        for days in (0, 1, 3):
            assert Intake.objects.count() == 1, "tried again"
            all_due(monkeypatch)
            unsubscribes.take(NOW + timedelta(days=days))
    all_due(monkeypatch)
    unsubscribes.take(NOW + timedelta(days=3))
    assert not Intake.objects.exists()
    assert status(ada, thursday) == ("unsubscribed" if isinstance(broken, KeyRefused) else "subscribed")


def test_no_box_is_longer_than_what_a_reader_can_send(lantern: Any, thursday: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(using="publicdb"):
        publicdb.drop_in(Site.objects.get(uid=bytes(lantern.uid)), bytes(64 * 1024 + 1))


def test_where_the_edition_is_not_known_the_way_out_leads_out_of_every_list(lantern: Any, thursday: Any) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, 999), purpose="leave")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"


@pytest.mark.parametrize("spoiled", [False, True])
def test_a_list_that_somebody_wrote_beside_a_subscriber_is_not_named_to_them_once_they_left_it(
    lantern: Any, thursday: Any, edition: Edition, spoiled: bool
) -> None:
    """By a link whose email is not known, or whose seal somebody spoiled, they leave every list of theirs."""
    secret = audience.new_list(lantern, "Detained, and their relatives", now=NOW)
    (mallory,) = people(lantern, thursday, 1)
    Subscription.objects.create(
        subscriber=mallory, list=secret, status=SUBSCRIBED, mail_verdict=consent.YES, since=TODAY
    )
    if spoiled:
        Edition.objects.filter(id=edition.id).update(details_sealed=b"spoiled")
    say(lantern, "leave", token=token(lantern, mallory, edition.id if spoiled else 999), purpose="leave")
    unsubscribes.take(NOW)
    assert (status(mallory, thursday), status(mallory, secret)) == ("unsubscribed", "nonsubscribed")
    assert "Detained" not in json.dumps(access_file(mallory, now=NOW, by_link=True))


@pytest.mark.parametrize("spoiled", [False, True])
def test_by_a_link_whose_email_is_not_known_they_choose_for_the_lists_on_record_and_no_other(
    lantern: Any, thursday: Any, edition: Edition, spoiled: bool
) -> None:
    """The page of such a link is headed by the organization, so a pause there is of all that they get."""
    friday, written = (audience.new_list(lantern, name, now=NOW) for name in ("The Friday Letter", "Written"))
    (ada,) = people(lantern, thursday, 1)
    audience.add_subscriber(lantern, queries.mailbox_of(ada), friday, consent="said so", now=NOW)
    Subscription.objects.create(subscriber=ada, list=written, status=SUBSCRIBED, mail_verdict=consent.YES, since=TODAY)
    if spoiled:
        Edition.objects.filter(id=edition.id).update(details_sealed=b"spoiled")
    link = token(lantern, ada, edition.id if spoiled else 999, "preferences")
    until = TODAY + timedelta(days=30)
    say(lantern, "prefer", token=link, purpose="preferences", often="pause", until=until.isoformat())
    preferences.take(NOW)
    paused = dict(Subscription.objects.filter(subscriber=ada).values_list("list__id", "paused"))
    assert paused == {thursday.id: until, friday.id: until, written.id: None}


@pytest.mark.parametrize("kind", ["leave", "back"])
def test_who_leaves_all_lists_costs_as_many_looks_at_their_records_as_who_leaves_one(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A file may bring a thousand records about somebody on fifty lists: read and settled for each list, they held the
    database for five seconds a press."""
    ada, boris = people(lantern, thursday, 2)
    for number in range(4):
        list_ = audience.new_list(lantern, f"List {number}", now=NOW)
        audience.add_subscriber(lantern, "reader1@example.org", list_, consent="said so", now=NOW)
    looked: list[Any] = []
    for name in ("consent_of", "digested_consent_of", "consent_with_words"):
        read = getattr(audience_sql, name)
        monkeypatch.setattr(audience_sql, name, lambda ids, read=read: looked.append(ids) or read(ids))
    looks = []
    for reader, letter in ((ada, edition.id), (boris, 999)):
        for purpose in dict.fromkeys(("leave", kind)):
            say(lantern, purpose, token=token(lantern, reader, letter), purpose="leave")
            looked.clear()
            assert unsubscribes.take(NOW) == 1
        looks.append(len(looked))
    expected = "unsubscribed" if kind == "leave" else "subscribed"
    assert {row.status for row in queries.card(boris, NOW).lists} == {expected}
    assert 0 < looks[1] <= looks[0] + 1  # Which lists those are is asked as well.


@pytest.mark.parametrize("kind", ["leave", "back"])
def test_people_with_many_records_are_taken_up_in_transactions_of_their_own(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    readers = people(lantern, thursday, 3)
    for reader in readers if kind == "back" else ():
        audience.unsubscribe(reader, thursday, way="form", now=NOW)
    monkeypatch.setattr(unsubscribes, "SLICE_RECORDS", 2 if kind == "leave" else 4)
    held: list[int] = []
    monkeypatch.setattr(audience_sql, "lock_subscribers", lambda ids: held.append(len(ids)))
    for reader in readers:
        say(lantern, kind, token=token(lantern, reader, edition.id), purpose="leave")
    assert unsubscribes.take(NOW) == 3 and held == [2, 1]
    assert {status(reader, thursday) for reader in readers} == {"unsubscribed" if kind == "leave" else "subscribed"}


def confirmation_links(organization: Any, lists: list[Any], names: list[str]) -> list[str]:
    """Of sign-ups by a form for these lists, a link each."""
    numbers = tuple(list_.id for list_ in lists)
    made = forms.make_form(organization, forms.FormFacts("Our letters", "en", numbers, "Yes."), now=NOW)
    asked, choices = forms.number_of(made.id, forms.facts_of(made), numbers, TODAY), forms.FormChoices(numbers, {}, ())
    rows = [
        forms.sign_up_by_form(organization, f"{name}@example.org", forms.view_of(made), choices, now=NOW)
        for name in names
    ]
    return [tokens.make(keyring.keys(organization).link, "confirm", asked, row.number) for row in rows]


def test_who_confirms_four_lists_costs_as_many_looks_at_their_records_as_who_confirms_one(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may bring hundreds of records about somebody: read and settled for each list of a form, they held the
    database for a fifth of a second a press."""
    here = audience.new_list(lantern, "Here", now=NOW)
    people(lantern, here, 2)
    lists = [thursday, *(audience.new_list(lantern, f"List {number}", now=NOW) for number in range(3))]
    (of_ada,) = confirmation_links(lantern, lists[:1], ["reader0"])
    (of_boris,) = confirmation_links(lantern, lists, ["reader1"])
    looked: list[Any] = []
    for name in ("consent_of", "digested_consent_of", "consent_with_words"):
        read = getattr(audience_sql, name)
        monkeypatch.setattr(audience_sql, name, lambda ids, read=read: looked.append(ids) or read(ids))
    looks = []
    for link in (of_ada, of_boris):
        looked.clear()
        say(lantern, "confirm", token=link)
        assert unsubscribes.take(NOW) == 1
        looks.append(len(looked))
    boris = queries.subscriber_at(lantern, "reader1@example.org")
    assert {status(boris, list_) for list_ in [here, *lists]} == {"subscribed"}
    assert looks[1] == looks[0] > 0


def test_whoever_has_many_records_confirms_in_a_transaction_of_their_own(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["ada", "boris", "cleo"]
    monkeypatch.setattr(unsubscribes, "SLICE_RECORDS", 3)  # Each has two: asked, and confirmed.
    held: list[int] = []
    settle = unsubscribes._settle
    monkeypatch.setattr(unsubscribes, "_settle", lambda taken, proven: held.append(len(taken)) or settle(taken, proven))
    links = confirmation_links(lantern, [thursday], names)
    for link in links:
        say(lantern, "confirm", token=link)
    assert unsubscribes.take(NOW) == 3 and held == [2, 1]
    readers = [queries.subscriber_at(lantern, f"{name}@example.org") for name in names]
    assert [status(reader, thursday) for reader in readers] == ["subscribed"] * 3
    assert {token_state(link) for link in links} == {"confirmed"} and not Intake.objects.exists()


@pytest.mark.parametrize("column", ["list", "purpose", "campaign"])
def test_who_leaves_leaves_the_list_of_their_letter_wherever_the_database_leads_it(
    lantern: Any, thursday: Any, edition: Edition, column: str
) -> None:
    """One UPDATE would take the unsubscribes of all its readers to another list, and back."""
    (ada,) = people(lantern, thursday, 1)
    elsewhere = audience.new_list(lantern, "Elsewhere", now=NOW)
    appeals = consent.PURPOSES.index(consent.APPEALS)
    if column == "campaign":
        later = another(edition, elsewhere)
        later.delete()
        Edition.objects.filter(pk=edition.pk).update(campaign=later.campaign)
    else:
        campaign = Campaign.objects.filter(pk=edition.campaign_id)
        campaign.update(**{column: elsewhere if column == "list" else appeals})
    leave = token(lantern, ada, edition.id)
    say(lantern, "leave", token=leave, purpose="leave", way="form", only="appeals")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), token_state(leave)) == ("unsubscribed", "left")


def test_a_clock_that_is_wrong_is_not_believed(lantern: Any, thursday: Any, edition: Edition) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", at="2031-01-01T00:00:00+00:00")
    unsubscribes.take(NOW)
    assert ConsentRecord.objects.filter(subscriber=ada).latest("id").day == TODAY


@pytest.mark.parametrize("ahead", [timedelta(hours=13), timedelta(days=7), timedelta(days=3652)], ids=str)
def test_who_agreed_while_the_clock_was_ahead_has_left_when_they_leave(
    lantern: Any, thursday: Any, edition: Edition, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.dbclock.now", lambda: NOW)
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW + ahead)
    audience.confirm(ada, thursday, now=NOW + ahead)
    assert status(ada, thursday) == "subscribed"
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"
    assert left_by(edition) == 1
    if ahead < timedelta(days=1):
        say(lantern, "back", token=token(lantern, ada, edition.id), purpose="leave")
        unsubscribes.take(NOW)
        assert status(ada, thursday) == "subscribed"


# -- what the report of a letter counts -------------------------------------------------------------------------


def left_by(edition: Edition) -> int:
    return Campaign.objects.get(edition=edition).unsubscribes


def another(edition: Edition, list_: Any) -> Edition:
    """A second letter to the same or another list."""
    campaign = Campaign.objects.create(
        organization=edition.organization, list=list_, draft_sealed=b"", state="sending", created=NOW, changed=NOW
    )
    return edition_of(campaign)


def press(edition: Edition, reader: Any, *kinds: str, way: str = "form") -> None:
    """What the reader presses in this letter, one after another, each taken up at once."""
    for kind in kinds:
        leave = token(edition.organization, reader, edition.id)
        say(edition.organization, kind, token=leave, purpose="leave", way=way)
        unsubscribes.take(NOW)


@pytest.mark.parametrize("way", ["form", "one-click"])
def test_who_leaves_by_a_letter_stands_in_its_report_once(
    lantern: Any, thursday: Any, edition: Edition, way: str
) -> None:
    ada, boris = people(lantern, thursday, 2)
    press(edition, ada, "leave", "leave", way=way)
    assert left_by(edition) == 1
    press(edition, ada, "back", way=way)
    assert left_by(edition) == 0
    press(edition, ada, "back", "leave", "back", "leave", way=way)
    press(edition, boris, "leave", way=way)
    assert left_by(edition) == 2


def test_a_leaving_counts_for_the_letter_whose_link_it_was_and_no_other(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    later = another(edition, thursday)
    press(later, ada, "leave")
    press(edition, ada, "leave")
    assert (left_by(edition), left_by(later)) == (0, 1)
    press(edition, ada, "back")
    assert (left_by(edition), left_by(later)) == (0, 0)
    press(edition, ada, "leave")
    assert (left_by(edition), left_by(later)) == (1, 0)


def test_who_signs_up_again_and_leaves_by_the_same_letter_counts_once(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    press(edition, ada, "leave")
    audience.confirm(
        audience.sign_up(lantern, "reader0@example.org", thursday, wording="w", now=NOW), thursday, now=NOW
    )
    assert (status(ada, thursday), left_by(edition)) == ("subscribed", 1)
    press(edition, ada, "leave")
    assert left_by(edition) == 1


def test_no_other_way_of_leaving_counts_for_a_letter(lantern: Any, thursday: Any, edition: Edition) -> None:
    ada, boris, clara = people(lantern, thursday, 3)
    audience.unsubscribe(ada, thursday, way="desk", now=NOW)
    audience.unsubscribe(boris, thursday, way="mail", now=NOW)
    press(edition, ada, "leave")
    press(edition, boris, "leave", "back")
    dmitri = audience.sign_up(lantern, "dmitri@example.org", thursday, wording="w", now=NOW)
    press(edition, dmitri, "leave")
    assert (status(dmitri, thursday), left_by(edition)) == ("unsubscribed", 0), "they had never agreed"
    say(lantern, "leave", token=token(lantern, clara, 999), purpose="leave")
    unsubscribes.take(NOW)
    assert (status(clara, thursday), left_by(edition)) == ("unsubscribed", 0)


def test_a_mass_leaving_undone_is_taken_from_the_report(lantern: Any, thursday: Any, edition: Edition) -> None:
    leave_all(lantern, edition, people(lantern, thursday, 30))
    unsubscribes.take(NOW)
    assert left_by(edition) == 30
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    for _ in range(2):
        unsubscribes.undo_alarm(alarm, by=None, now=NOW)
        assert left_by(edition) == 0


def test_whoever_leaves_reads_nothing_of_those_who_left_before(lantern: Any, thursday: Any, edition: Any) -> None:
    """Nobody else writes on SQLite while somebody leaves, and an alarm is no reason to wait."""
    readers = [audience.add_subscriber(lantern, f"r{n}@example.org", thursday, consent="s", now=NOW) for n in range(8)]
    with events_read(only_locked=True) as read:
        for reader in readers:
            say(lantern, "leave", token=token(lantern, reader, edition.id), purpose="leave", way="one-click")
            unsubscribes.take(NOW)
    assert "subscribers.left" not in read
    assert Event.objects.filter(kind="subscribers.left_alarm").count() == 1


def test_whether_many_leave_a_list_is_looked_at_each_ten_seconds(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    monkeypatch.setattr(leaving_alarm, "EVERY", 10.0)
    monkeypatch.setattr(leaving_alarm, "_alarm", lambda crowd, *_rest: looks.append(crowd))
    clock = iter(range(0, 1_000, 3))
    monkeypatch.setattr(leaving_alarm.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(leaving_alarm, "SECONDS", 5.0)
    for _second in range(6):
        leaving_alarm.due(lantern, "left", thursday.id, "letters", "2026-11-30T12")
        leaving_alarm.look(NOW)
    assert 1 < len(looks) < 6


def test_what_was_taken_up_before_a_kill_counts_no_second_time(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boris = people(lantern, thursday, 2)
    press(edition, boris, "leave")
    for reader, kind in ((ada, "leave"), (boris, "back")):
        say(lantern, kind, token=token(lantern, reader, edition.id), purpose="leave")

    settle = unsubscribes._settle
    for state, counted in (("left", 2), ("left", 2), ("back", 1), ("back", 1)):

        def killed(said: Any, proven: Any, state: str = state) -> None:
            told = [*proven]
            if state in {now for _one, now in told}:
                raise SystemExit
            settle(said, told)

        monkeypatch.setattr(unsubscribes, "_settle", killed)
        with pytest.raises(SystemExit):
            unsubscribes.take(NOW)
        assert left_by(edition) == counted
    monkeypatch.setattr(unsubscribes, "_settle", settle)
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(boris, thursday)) == ("unsubscribed", "subscribed")
    assert left_by(edition) == 1


def test_a_kill_between_the_leaving_and_its_number_leaves_neither(
    lantern: Any, thursday: Any, edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ada,) = people(lantern, thursday, 1)

    def killed(*_args: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(unsubscribes, "add_unsubscribes", killed)
        with pytest.raises(SystemExit):
            press(edition, ada, "leave")
    assert (status(ada, thursday), left_by(edition)) == ("subscribed", 0)
    unsubscribes.take(NOW)
    assert (status(ada, thursday), left_by(edition)) == ("unsubscribed", 1)


def carried(lantern: Any, edition: Edition, reader: Any) -> RouteTotal:
    """They got it by a route."""
    route = Route.objects.create(organization=lantern, name="own-server", settings_sealed=b"", changed=NOW)
    Delivery.objects.create(
        edition=edition, number=reader.number, state=State.ACCEPTED, answer=0, route=route, day=TODAY
    )
    return RouteTotal.objects.create(edition=edition, route=route, accepted=1)


def test_who_leaves_by_a_letter_stands_at_its_route_and_provider(lantern: Any, thursday: Any, edition: Edition) -> None:
    ada, boris = people(lantern, thursday, 2)
    by_route = carried(lantern, edition, ada)
    by_provider = ProviderTotal.objects.create(edition=edition, provider=ada.provider, state=State.ACCEPTED, count=2)
    for kind, sums in (("leave", (1, 1)), ("leave", (1, 1)), ("back", (0, 0)), ("leave", (1, 1))):
        press(edition, ada, kind)
        for row in (by_route, by_provider):
            row.refresh_from_db()
        assert (by_route.unsubscribed, by_provider.unsubscribed) == sums
    press(edition, boris, "leave")
    for row in (by_route, by_provider):
        row.refresh_from_db()
    assert (by_route.unsubscribed, by_provider.unsubscribed) == (1, 2), "nobody knows Boris’s route any more"
    assert left_by(edition) == 2


def test_a_token_for_another_houses_letter_changes_no_sum_there(
    lantern: Any, thursday: Any, vault: Any, edition: Edition
) -> None:
    """An own key signs any number of an edition, also one of another organization."""
    elsewhere = found_organization("Harbour", source=vault, today=TODAY)
    (ada,) = people(lantern, thursday, 1)
    by_route = carried(lantern, edition, ada)
    add_unsubscribes(elsewhere, {(edition.id, ada.number): 1})
    by_route.refresh_from_db()
    assert (by_route.unsubscribed, left_by(edition)) == (0, 0)


def test_a_delivery_that_names_no_route_of_ours_keeps_nobody_from_leaving(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    Delivery.objects.create(edition=edition, number=ada.number, state=State.ACCEPTED, answer=0, route_id=999, day=TODAY)
    press(edition, ada, "leave")
    assert (status(ada, thursday), left_by(edition)) == ("unsubscribed", 1)


def test_who_left_before_it_was_counted_takes_it_back_and_the_number_stays_at_nought(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = people(lantern, thursday, 1)
    press(edition, ada, "leave")
    Campaign.objects.update(unsubscribes=0)
    press(edition, ada, "back")
    assert (status(ada, thursday), left_by(edition)) == ("subscribed", 0)


def test_a_damaged_record_keeps_nobody_from_leaving(lantern: Any, thursday: Any, edition: Edition) -> None:
    (ada,) = people(lantern, thursday, 1)
    press(edition, ada, "leave", "back")
    ConsentRecord.objects.filter(subscriber=ada).update(sealed=b"\0" * 60)
    press(edition, ada, "leave")
    assert (status(ada, thursday), left_by(edition)) == ("unsubscribed", 1)


# -- the alarm --------------------------------------------------------------------------------------------------


def leave_all(lantern: Any, edition: Edition, readers: list[Any]) -> None:
    for reader in readers:
        say(lantern, "leave", token=token(lantern, reader, edition.id), purpose="leave")


def test_many_who_come_back_by_a_link_are_an_alarm_and_are_unsubscribed_again_as_one(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    """A public process that was taken can take back every leaving of the last week: one and then another is enough."""
    released(edition, days=30)
    readers = people(lantern, thursday, 100)
    left = readers[:15]
    leave_all(lantern, edition, left)
    unsubscribes.take(NOW)
    Event.objects.filter(kind="subscribers.left_alarm").delete()
    for days, reader in enumerate(left[:4]):
        say(lantern, "back", token=token(lantern, reader, edition.id), purpose="leave")
        assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
        unsubscribes.take(NOW + timedelta(days=days))
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    told = detail_of(alarm)
    assert (told["what"], told["left"], told["of"]) == ("returned", 4, 15)
    audience.confirm(left[0], thursday, now=NOW + timedelta(days=4))
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(days=4)) == 3
    assert [status(one, thursday) for one in left[:4]] == ["subscribed", *["unsubscribed"] * 3]
    say(lantern, "back", token=token(lantern, left[1], edition.id), purpose="leave")
    unsubscribes.take(NOW + timedelta(days=4))
    assert status(left[1], thursday) == "unsubscribed", "the desk has said so"


def test_who_told_the_desk_as_well_stays_gone_when_a_mass_leaving_is_undone(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 5)
    leave_all(lantern, edition, readers[:4])
    unsubscribes.take(NOW)
    for _twice in range(2):
        audience.unsubscribe(readers[0], thursday, way="desk", now=NOW)
    assert ConsentRecord.objects.filter(subscriber=readers[0]).count() == 3
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW) == 3
    assert status(readers[0], thursday) == "unsubscribed"


def test_much_leaving_raises_one_alarm_and_is_undone_as_one(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 100)
    leave_all(lantern, edition, readers[:2])
    unsubscribes.take(NOW)
    assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
    leave_all(lantern, edition, readers[2:60])
    unsubscribes.take(NOW)
    leave_all(lantern, edition, readers[60:70])
    unsubscribes.take(NOW + timedelta(seconds=30))
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert alarm.about == thursday.id
    assert detail_of(alarm)["of"] == 100
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(minutes=5)) == 70
    assert {status(reader, thursday) for reader in readers} == {"subscribed"}
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(minutes=5)) == 0
    assert detail_of(Event.objects.get(kind="subscribers.left_undone"))["back"] == 70, "said once"


def test_the_desk_asks_for_an_undoing_by_an_event(lantern: Any, thursday: Any, edition: Edition, vault: Any) -> None:
    readers = people(lantern, thursday, 20)
    leave_all(lantern, edition, readers)
    unsubscribes.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    other = found_organization("Harbour", source=vault, today=TODAY)
    record("subscribers.left_undo", other, about=alarm.id, now=NOW)
    event_handlers.follow(NOW)
    assert status(readers[0], thursday) == "unsubscribed", "another organization's alarm is none of its business"
    record("subscribers.left_undo", lantern, about=alarm.id, now=NOW)
    event_handlers.follow(NOW)
    assert {status(reader, thursday) for reader in readers} == {"subscribed"}


def test_whoever_writes_the_database_asks_for_no_undoing_and_none_happens_twice(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 20)
    leave_all(lantern, edition, readers)
    unsubscribes.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    Event.objects.create(organization=lantern, kind="subscribers.left_undo", about=alarm.id, at=NOW, digest=bytes(32))
    event_handlers.follow(NOW)
    assert {status(reader, thursday) for reader in readers} == {"unsubscribed"}
    asked = record("subscribers.left_undo", lantern, about=alarm.id, now=NOW)
    event_handlers.follow(NOW)
    assert {status(reader, thursday) for reader in readers} == {"subscribed"}
    leave_all(lantern, edition, readers)
    unsubscribes.take(NOW + timedelta(minutes=1))
    FollowUp.objects.filter(event=asked).delete()
    Event.objects.filter(id=asked.id).update(handled=False)
    event_handlers.follow(NOW + timedelta(minutes=2))
    assert {status(reader, thursday) for reader in readers} == {"unsubscribed"}


def test_an_alarm_that_somebody_led_to_another_list_is_undone_nowhere(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 20)
    leave_all(lantern, edition, readers)
    unsubscribes.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    record("subscribers.left_undo", lantern, about=alarm.id, now=NOW)
    Event.objects.filter(id=alarm.id).update(at=NOW + timedelta(days=1))
    event_handlers.follow(NOW)
    assert {status(reader, thursday) for reader in readers} == {"unsubscribed"}


def test_an_event_that_somebody_wrote_keeps_nobody_from_leaving(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 20)
    Event.objects.create(organization=lantern, kind="subscribers.left", about=thursday.id, at=NOW, digest=bytes(32))
    leave_all(lantern, edition, readers)
    unsubscribes.take(NOW)
    assert {status(reader, thursday) for reader in readers} == {"unsubscribed"}
    assert Event.objects.filter(kind="subscribers.left_alarm").count() == 1


def test_who_left_long_before_stays_gone_when_an_alarm_is_undone(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 40)
    leave_all(lantern, edition, readers[:1])
    unsubscribes.take(NOW - timedelta(hours=5))
    leave_all(lantern, edition, readers[1:20])
    unsubscribes.take(NOW)
    unsubscribes.undo_alarm(Event.objects.get(kind="subscribers.left_alarm"), by=None, now=NOW)
    assert status(readers[0], thursday) == "unsubscribed"
    assert status(readers[1], thursday) == "subscribed"


def test_who_left_in_the_hours_after_an_alarm_stays_gone_when_it_is_undone(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 40)
    leave_all(lantern, edition, readers[:20])
    unsubscribes.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    leave_all(lantern, edition, readers[20:21])
    unsubscribes.take(NOW + timedelta(hours=3))
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(hours=3)) == 20
    assert status(readers[20], thursday) == "unsubscribed"


def test_who_left_earlier_on_the_same_day_is_not_of_this_hour(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 100)
    for turn in range(4):
        leave_all(lantern, edition, readers[turn : turn + 1])
        unsubscribes.take(NOW - timedelta(hours=2 * (4 - turn)))
    assert {event.at for event in Event.objects.filter(kind="subscribers.left")} == {whole_day(NOW)}
    assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
    leave_all(lantern, edition, readers[10:13])
    unsubscribes.take(NOW)
    assert detail_of(Event.objects.get(kind="subscribers.left_alarm"))["left"] == 3


def alarms_raised() -> list[dict[str, Any]]:
    return [detail_of(alarm) for alarm in Event.objects.filter(kind="subscribers.left_alarm").order_by("id")]


def test_a_list_that_is_taken_off_slowly_is_an_alarm_too_and_comes_back_as_one(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    """Whoever holds the public process makes one leave every other hour: half of the list in some days."""
    readers = people(lantern, thursday, 60)
    for turn, reader in enumerate(readers[:7]):
        assert not alarms_raised()
        leave_all(lantern, edition, [reader])
        unsubscribes.take(NOW + timedelta(hours=2 * turn))
    (told,) = alarms_raised()
    assert (told["window"], told["left"], told["of"], len(told["groups"])) == ("day", 7, 60, 7)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(hours=13)) == 7
    assert {status(reader, thursday) for reader in readers} == {"subscribed"}


def test_a_list_that_is_taken_off_in_a_week_is_an_alarm_too(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 60)
    for turn, reader in enumerate(readers[:13]):
        assert not alarms_raised()
        leave_all(lantern, edition, [reader])
        unsubscribes.take(NOW + timedelta(hours=10 * turn))
    (told,) = alarms_raised()
    assert (told["window"], told["left"], told["of"]) == ("week", 13, 60)


def test_those_an_alarm_told_of_are_not_told_again(lantern: Any, thursday: Any, edition: Edition) -> None:
    readers = people(lantern, thursday, 60)
    leave_all(lantern, edition, readers[:20])
    unsubscribes.take(NOW)
    for turn, reader in enumerate(readers[20:23], 1):
        leave_all(lantern, edition, [reader])
        unsubscribes.take(NOW + timedelta(hours=2 * turn))
    assert [told["window"] for told in alarms_raised()] == ["hour"]


def test_a_letter_after_which_three_in_a_hundred_leave_during_a_day_is_no_alarm(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 200)
    for letter in range(3):
        left = readers[6 * letter : 6 * letter + 6]
        for turn, reader in enumerate(left):
            leave_all(lantern, edition, [reader])
            unsubscribes.take(NOW + timedelta(days=7 * letter, hours=turn))
    assert not alarms_raised()


def grown(list_: Any, day: date, left: int) -> None:
    columns = {"metric": GROWTH.index("left"), "channel": consent.WAYS.index("one-click"), "count": left}
    Growth.objects.create(list=list_, day=day, **columns)


def test_a_list_that_many_leave_after_each_letter_takes_more_for_an_alarm(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 60)
    for week in range(1, 4):
        grown(thursday, TODAY - timedelta(days=7 * week), 6)
    for turn, reader in enumerate(readers[:10]):
        leave_all(lantern, edition, [reader])
        unsubscribes.take(NOW + timedelta(hours=2 * turn))
    assert not alarms_raised()


def test_what_was_usual_for_a_month_hides_no_more_than_twice_the_share(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    readers = people(lantern, thursday, 60)
    for days in range(2, 20):
        grown(thursday, TODAY - timedelta(days=days), 50)
    for turn, reader in enumerate(readers[:13]):
        leave_all(lantern, edition, [reader])
        unsubscribes.take(NOW + timedelta(hours=turn + turn // 2))
    (told,) = alarms_raised()
    assert (told["window"], told["left"]) == ("day", 13)


def test_many_who_come_back_are_an_alarm_however_many_left(lantern: Any, thursday: Any, edition: Edition) -> None:
    """Forged leavings would hide it: of many who left few come back."""
    released(edition, days=30)
    readers = people(lantern, thursday, 100)
    leave_all(lantern, edition, readers[:50])
    unsubscribes.take(NOW)
    for turn, reader in enumerate(readers[:6]):
        assert [told["what"] for told in alarms_raised()] == ["left"]
        say(lantern, "back", token=token(lantern, reader, edition.id), purpose="leave")
        unsubscribes.take(NOW + timedelta(hours=turn))
    assert alarms_raised()[-1]["what"] == "returned"


def test_what_the_alarm_is_made_of_names_nobody_in_plain(lantern: Any, thursday: Any, edition: Edition) -> None:
    leave_all(lantern, edition, people(lantern, thursday, 5))
    unsubscribes.take(NOW)
    for event in Event.objects.filter(kind__startswith="subscribers.left"):
        assert event.about == thursday.id
        assert b"numbers" not in bytes(event.detail)


# -- appeals ----------------------------------------------------------------------------------------------------


def said_of_appeals(readers: list[Any]) -> set[str]:
    rows = Subscription.objects.filter(subscriber__in=[reader.id for reader in readers])
    return {consent.REASONS[row.fundraising_verdict] for row in rows}


@pytest.fixture
def appeal(lantern: Any, thursday: Any, edition: Edition) -> Edition:
    return released_for(edition, consent.APPEALS)


def givers(lantern: Any, thursday: Any, count: int) -> list[Any]:
    readers = people(lantern, thursday, count)
    for reader in readers:
        audience.agree_to_appeals_of(reader, [thursday], wording="Ask me.", now=NOW)
    return readers


def test_by_the_link_of_an_appeal_a_reader_leaves_appeals_or_the_whole_list(
    lantern: Any, thursday: Any, appeal: Edition
) -> None:
    ada, boris, clara = givers(lantern, thursday, 3)
    pressed = token(lantern, ada, appeal.id)
    say(lantern, "leave", token=pressed, purpose="leave", way="form", only="appeals")
    say(lantern, "leave", token=token(lantern, boris, appeal.id), purpose="leave", way="form")
    say(lantern, "leave", token=token(lantern, clara, appeal.id), purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), said_of_appeals([ada]), token_state(pressed)) == (
        "subscribed",
        {"left"},
        "left-appeals",
    )
    assert {status(one, thursday) for one in (boris, clara)} == {"unsubscribed"}
    assert said_of_appeals([boris, clara]) == {"left"}
    for one in (ada, boris):
        say(lantern, "back", token=token(lantern, one, appeal.id), purpose="leave")
    unsubscribes.take(NOW)
    assert {status(one, thursday) for one in (ada, boris)} == {"subscribed"} and said_of_appeals([ada, boris]) == {
        "yes"
    }
    assert Campaign.objects.get(pk=appeal.campaign_id).unsubscribes == 1


def test_by_the_link_of_an_appeal_nobody_comes_back_to_appeals_that_they_left_with_the_letters(
    lantern: Any, thursday: Any, appeal: Edition
) -> None:
    ada, boris = people(lantern, thursday, 2)
    for reader in (ada, boris):  # Of appeals they said nothing themselves.
        audience.agree_to_appeals_of(reader, [thursday], way="desk", wording="On paper.", now=NOW)
    say(lantern, "leave", token=token(lantern, ada, appeal.id), purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    audience.unsubscribe(boris, thursday, way="desk", now=NOW)
    audience.confirm(ada, thursday, now=NOW)
    for reader in (ada, boris):
        say(lantern, "back", token=token(lantern, reader, appeal.id), purpose="leave")
    unsubscribes.take(NOW)
    assert (status(ada, thursday), status(boris, thursday)) == ("subscribed", "unsubscribed")
    assert said_of_appeals([ada, boris]) == {"left"} and not Intake.objects.exists()


def test_a_public_process_that_lies_makes_no_half_leaving_of_a_whole_one(
    lantern: Any, thursday: Any, edition: Edition
) -> None:
    (ada,) = givers(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="form", only="appeals")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed", "it is no appeal, so they meant the list"


def test_one_reader_who_leaves_and_comes_back_is_no_crowd(lantern: Any, thursday: Any, edition: Edition) -> None:
    ada, *others = people(lantern, thursday, 4)
    for _again in range(3):
        leave_all(lantern, edition, [ada])
        say(lantern, "back", token=token(lantern, ada, edition.id), purpose="leave")
    unsubscribes.take(NOW)
    assert not Event.objects.filter(kind="subscribers.left_alarm").exists()
    leave_all(lantern, edition, others)
    unsubscribes.take(NOW)
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert (detail_of(alarm)["left"], alarms.leaving_at(lantern, alarm.id, NOW).together) == (4, 4)
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW) == 3


def test_much_leaving_of_appeals_is_an_alarm_of_its_own_and_undone_as_one(
    lantern: Any, thursday: Any, appeal: Edition
) -> None:
    readers = givers(lantern, thursday, 6)
    for reader in readers[:4]:
        say(lantern, "leave", token=token(lantern, reader, appeal.id), purpose="leave", way="form", only="appeals")
    for reader in readers[4:]:
        say(lantern, "leave", token=token(lantern, reader, appeal.id), purpose="leave", way="form")
    unsubscribes.take(NOW)
    (alarm,) = Event.objects.filter(kind="subscribers.left_alarm")
    assert (detail_of(alarm)["left"], detail_of(alarm)["purpose"]) == (4, consent.APPEALS)
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW + timedelta(minutes=5)) == 4
    assert said_of_appeals(readers[:4]) == {"yes"}
    assert {status(reader, thursday) for reader in readers[4:]} == {"unsubscribed"}


# -- confirming -------------------------------------------------------------------------------------------------


def test_confirming_makes_a_pending_sign_up_a_subscription(lantern: Any, thursday: Any) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    press = token(lantern, ada, forms.dated(thursday.id, TODAY), "confirm")
    say(lantern, "confirm", token=press)
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "subscribed"
    assert token_state(press) == "confirmed"


def test_an_old_confirmation_brings_nobody_back(lantern: Any, thursday: Any) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    press = token(lantern, ada, forms.dated(thursday.id, TODAY), "confirm")
    audience.confirm(ada, thursday, now=NOW)
    audience.unsubscribe(ada, thursday, now=NOW)
    say(lantern, "confirm", token=press)
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"


def test_a_confirmation_after_eight_days_is_too_late(lantern: Any, thursday: Any) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    late = NOW + timedelta(days=9)
    said = token(lantern, ada, forms.dated(thursday.id, TODAY), "confirm")
    say(lantern, "confirm", token=said, at=late.isoformat())
    unsubscribes.take(late)
    assert status(ada, thursday) == "pending"


def test_a_leave_token_confirms_nothing(lantern: Any, thursday: Any) -> None:
    ada = audience.sign_up(lantern, "ada@example.org", thursday, wording="w", now=NOW)
    say(lantern, "confirm", token=token(lantern, ada, thursday.id, "leave"))
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "pending"
    assert queries.subscriber_at(lantern, "ada@example.org") is not None
    assert Form.objects.get(slug="thursday").list == thursday.id


def test_what_nobody_takes_up_is_thrown_away_in_the_end(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(lantern, "nonsense", token=["x"])
    for _ in range(2):
        unsubscribes.take(NOW)
        assert Intake.objects.count() == 1, "another machine may know it"
    monkeypatch.setattr(inbox, "UNKNOWN", 0.0)
    unsubscribes.take(NOW)
    assert not Intake.objects.exists()


def test_an_old_letter_leaves_by_a_key_that_another_process_brought(
    lantern: Any, thursday: Any, edition: Edition, vault: Any
) -> None:
    (ada,) = people(lantern, thursday, 1)
    keyring.keys(lantern)  # The worker has met its keys before.
    old = tokens.LinkKey(77, os.urandom(32))
    moved_in(lantern, old, vault)
    say(lantern, "leave", token=tokens.make(old, "leave", edition.id, ada.number), purpose="leave", way="one-click")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed" and not Intake.objects.exists()


def test_a_leaving_waits_for_its_key_and_not_for_ever(
    lantern: Any, thursday: Any, edition: Edition, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boris = people(lantern, thursday, 2)
    coming, never = (tokens.LinkKey(number, os.urandom(32)) for number in (77, 78))
    for key, reader in ((coming, ada), (never, boris)):
        say(lantern, "leave", token=tokens.make(key, "leave", edition.id, reader.number), purpose="leave", way="form")
    assert unsubscribes.take(NOW) == 0 and Intake.objects.count() == 2
    moved_in(lantern, coming, vault)
    assert unsubscribes.take(NOW) == 0, "it is not looked at again at once"
    all_due(monkeypatch)
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed" and Intake.objects.count() == 1
    all_due(monkeypatch)
    monkeypatch.setattr(inbox, "UNKNOWN", 0.0)
    unsubscribes.take(NOW)
    assert status(boris, thursday) == "subscribed" and not Intake.objects.exists()


def test_a_process_meets_every_key_that_another_one_brought(
    lantern: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.keys(lantern)
    moved_in(lantern, tokens.LinkKey(77, os.urandom(32)), vault)
    monkeypatch.setattr(keyring, "LOOK", -1.0)
    assert 77 in keyring.keys(lantern).links


def test_a_choice_that_is_put_in_once_more_ends_no_later_pause(lantern: Any, thursday: Any, edition: Edition) -> None:
    """Ada paused by mistake and took that back; later Ada paused for long. Somebody copied what was sent between."""
    (ada,) = people(lantern, thursday, 1)
    link, day = token(lantern, ada, edition.id, "preferences"), NOW.date()

    def chose(often: str, at: datetime, until: str = "") -> None:
        say(lantern, "prefer", token=link, purpose="preferences", often=often, until=until, at=at.isoformat())

    chose("pause", NOW, (day + timedelta(days=30)).isoformat())
    preferences.take_everything(NOW)
    chose("all", NOW + timedelta(minutes=5))
    copy = Intake.objects.values().get()
    preferences.take_everything(NOW + timedelta(minutes=5))
    assert Subscription.objects.get(subscriber=ada).paused is None
    chose("pause", NOW + timedelta(hours=2), (day + timedelta(days=300)).isoformat())
    preferences.take_everything(NOW + timedelta(hours=2))
    Intake(**{**copy, "put_off": 0}).save(force_insert=True)
    preferences.take_everything(NOW + timedelta(days=20))
    assert Subscription.objects.get(subscriber=ada).paused == day + timedelta(days=300)
