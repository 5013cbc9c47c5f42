"""Sign-ups that nobody confirmed are forgotten after their week, and only those."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import consent_records, consistency, open_signups, queries
from samizdat.audience.actions import expire_signups as pages
from samizdat.audience.actions import forms
from samizdat.audience.models import ConsentRecord, ListTotal, SignUp, Subscriber, SubscriberTag, Subscription, TagTotal
from samizdat.core.crypto import seal, tokens
from samizdat.events import chain
from samizdat.events.models import Event
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.worker.inbox import unsubscribes
from samizdat.worker.schedule import event_handlers, expire_signups, scheduler
from samizdat.worker.stopping import stopping
from tests.conftest import NOW
from tests.worker.conftest import say, status

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=9)
LOOK = {"audience_consentrecord": consistency.changed_records}


def ask(lantern: Any, list_: Any, name: str, days: int = 0) -> Any:
    at = NOW + timedelta(days=days)
    return audience.sign_up(lantern, f"{name}@example.org", list_, wording="One story.", now=at)


def pending(list_: Any) -> int:
    return ListTotal.objects.get(list=list_, status=0).count


def test_who_never_confirmed_is_forgotten_with_all_that_was_sealed(lantern: Any, thursday: Any) -> None:
    ada = ask(lantern, thursday, "ada")
    audience.add_tags(ada, ["fair"], now=NOW)
    assert expire_signups.forget(LATER) == 1
    assert not Subscriber.objects.exists() and not Subscription.objects.exists() and not SubscriberTag.objects.exists()
    assert pending(thursday) == 0 and not TagTotal.objects.exclude(count=0).exists()
    (kept,) = ConsentRecord.objects.all()
    assert bytes(kept.sealed) == b"" and bytes(kept.digest)
    assert Event.objects.get(kind="subscriber.forgotten").about == ada.id
    assert queries.suppression_of(lantern, "ada@example.org") is None


def test_a_week_is_waited_and_a_day_more(lantern: Any, thursday: Any) -> None:
    ask(lantern, thursday, "ada")
    assert expire_signups.forget(NOW + timedelta(days=8)) == 0
    assert pending(thursday) == 1


def test_who_asked_again_waits_anew(lantern: Any, thursday: Any) -> None:
    ask(lantern, thursday, "ada")
    ask(lantern, thursday, "ada", days=6)
    assert expire_signups.forget(LATER) == 1 and pending(thursday) == 1  # The words of the first time alone.
    assert [bool(bytes(row.sealed)) for row in ConsentRecord.objects.order_by("id")] == [False, True]
    assert expire_signups.forget(LATER + timedelta(days=6)) == 1
    assert not Subscriber.objects.exists() and not SignUp.objects.exists()


def test_who_confirmed_or_left_stays(lantern: Any, thursday: Any) -> None:
    ada, boris = ask(lantern, thursday, "ada"), ask(lantern, thursday, "boris")
    audience.confirm(ada, thursday, now=NOW)
    audience.unsubscribe(boris, thursday, now=NOW)
    assert expire_signups.forget(LATER) == 1
    assert Subscriber.objects.count() == 2 and status(boris, thursday) == "unsubscribed"


def test_of_somebody_known_otherwise_the_sign_up_alone_is_forgotten(lantern: Any, thursday: Any) -> None:
    friday = audience.new_list(lantern, "the Friday Letter", now=NOW)
    ada = audience.add_subscriber(
        lantern, "ada@example.org", friday, consent="said so", now=NOW, values={"CITY": "Riga"}
    )
    ask(lantern, thursday, "ada")
    assert expire_signups.forget(LATER) == 1
    assert [row.list_id for row in Subscription.objects.all()] == [friday.id]
    assert queries.values_of(ada)["CITY"] == "Riga" and pending(thursday) == 0
    blobs = {row.list_id: bytes(row.sealed) for row in ConsentRecord.objects.all()}
    assert blobs[thursday.id] == b"" and blobs[friday.id]
    assert consistency.check_projections(lantern, LATER).wrong == []


def test_pending_ones_of_an_import_stay(lantern: Any, thursday: Any, tmp_path: Any) -> None:
    file = tmp_path / "waiting.csv"
    file.write_text("email,status\nada@example.org,pending\nboris@example.org,nonsubscribed\n")
    audience.direct(lantern, thursday, [str(file)], now=lambda: NOW)
    assert pending(thursday) == 1
    assert expire_signups.forget(LATER + timedelta(days=90)) == 0
    # Nor goes somebody who was brought in, for a stranger typed their address into a form.
    ask(lantern, thursday, "boris")
    assert expire_signups.forget(LATER) == 1 and Subscriber.objects.count() == 2


@pytest.mark.parametrize("written", [{}, {"kind": open_signups.ASKED, "channel": open_signups.FORM}])
def test_a_no_is_not_forgotten_because_somebody_wrote_that_it_is_a_sign_up(
    lantern: Any, thursday: Any, written: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """By a row of the list of sign-ups, with or without other columns of all that is on record about somebody."""
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="By form.", now=NOW)
    audience.unsubscribe(ada, thursday, now=NOW)
    chain.append()
    no = ConsentRecord.objects.latest("id")
    SignUp.objects.create(record=no, day=NOW.date())
    if written:
        ConsentRecord.objects.filter(subscriber=ada).update(**written)
        Subscriber.objects.filter(id=ada.id).update(source=open_signups.FORM)
    assert expire_signups.forget(LATER) == 0
    assert Subscriber.objects.get() == ada and all(map(bytes, ConsentRecord.objects.values_list("sealed", flat=True)))
    assert not Event.objects.filter(kind="subscriber.forgotten") and not SignUp.objects.exists()
    assert ("Sign-ups aren't forgotten" in caplog.text) == bool(written)
    assert chain.verify(lantern, LOOK).whole != bool(written)


def test_who_agreed_is_not_forgotten_while_their_records_are_away(lantern: Any, thursday: Any) -> None:
    ada = ask(lantern, thursday, "ada")
    audience.confirm(ada, thursday, now=NOW)
    away = ConsentRecord.objects.exclude(kind=open_signups.ASKED)
    assert away.update(subscriber=1)
    Subscription.objects.update(status=0)
    expire_signups.forget(LATER)
    assert Subscriber.objects.get() == ada


def test_a_sign_up_waits_its_week_whatever_day_somebody_wrote_beside_it(lantern: Any, thursday: Any) -> None:
    friday = audience.new_list(lantern, "the Friday Letter", now=NOW)
    ada = ask(lantern, thursday, "ada")
    audience.confirm(audience.sign_up(lantern, "ada@example.org", friday, wording="All.", now=NOW), friday, now=NOW)
    SignUp.objects.update(day=NOW.date() - timedelta(days=30))
    assert expire_signups.forget(NOW) == 0
    assert ada and all(map(bytes, ConsentRecord.objects.values_list("sealed", flat=True)))


def test_many_are_forgotten_in_pages_and_a_stop_leaves_the_rest(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    for number in range(5):
        ask(lantern, thursday, f"reader{number}")
    monkeypatch.setattr(stopping, "is_set", iter([False, True]).__next__)
    assert expire_signups.forget(LATER) == 2
    monkeypatch.setattr(stopping, "is_set", lambda: False)
    assert expire_signups.forget(LATER) == 3
    assert expire_signups.forget(LATER) == 0
    assert expire_signups.forget in scheduler.SLOW.values()


# -- by a form that asks for more than an address ---------------------------------------------------------------


@pytest.fixture
def friday(lantern: Any) -> Any:
    return audience.new_list(lantern, "the Friday Letter", now=NOW)


@pytest.fixture
def form(lantern: Any, thursday: Any, friday: Any) -> Any:
    """For two lists, with a field and a topic."""
    city = audience.fields_for(lantern, {"CITY": "City"})["CITY"]
    topic = audience.tags_for(lantern, ["Books"])["Books"]
    lists = (thursday.id, friday.id)
    told = forms.FormFacts("Letters", "en", lists, "I want them.", fields=(city,), topics=(topic,))
    return forms.make_form(lantern, told, now=NOW)


def typed(form: Any, name: str, city: str, days: int = 0) -> tuple[Any, str]:
    """(who was signed up for both lists, the link that was mailed)."""
    view, organization, at = forms.view_of(form), form.organization, NOW + timedelta(days=days)
    said = forms.FormChoices(tuple(view.lists), {view.facts.fields[0]: city}, view.facts.topics)
    row = forms.sign_up_by_form(organization, f"{name}@example.org", view, said, now=at)
    key = keyring.keys(organization).link
    assert key is not None
    token = tokens.make(key, "confirm", forms.number_of(view.id, view.facts, said.lists, at.date()), row.number)
    publicdb.set_token_state(token, "pending")
    return row, token


def forget_all(now: Any) -> None:
    while expire_signups.forget(now):
        continue


def cities(lantern: Any) -> list[str]:
    """What is still on record of what was typed."""
    keys, found = keyring.keys(lantern), []
    for row in ConsentRecord.objects.exclude(sealed=b"").select_related("subscriber"):
        words = seal.unpack(keys.open(bytes(row.sealed), *consent_records.RECORD, row.subscriber.number))
        found += forms.told_in(words).get("values", {}).values()
    return sorted(found)


def test_what_was_typed_about_somebody_who_is_known_is_forgotten_and_they_stand_as_they_stood(
    lantern: Any, thursday: Any, friday: Any, form: Any
) -> None:
    known = ("ada", "boris", "olga", "vera", "nina")
    for name in known:
        audience.add_subscriber(lantern, f"{name}@example.org", thursday, consent="said so", now=NOW)
    people = {name: queries.subscriber_at(lantern, f"{name}@example.org") for name in known}
    audience.unsubscribe(people["boris"], thursday, now=NOW, way="form")
    audience.object_to_mail(lantern, subscriber=people["olga"], now=NOW)
    audience.suppress(lantern, "bounce", subscriber=people["vera"], now=NOW)
    before = {name: status(one, thursday) for name, one in people.items()}
    links = {name: typed(form, name, name.upper())[1] for name in (*known, "pavel")}
    say(lantern, "confirm", token=links["nina"])
    unsubscribes.take(NOW)
    assert cities(lantern) == sorted([name.upper() for name in links] * 2)
    forget_all(LATER)
    # Of the list that they had already, nothing waited for them.
    assert cities(lantern) == ["NINA"] and not SignUp.objects.exists()
    assert {name: status(one, thursday) for name, one in people.items()} == before
    assert queries.subscriber_at(lantern, "pavel@example.org") is None
    assert [row.subscriber_id for row in Subscription.objects.filter(list=friday)] == [people["nina"].id]
    # Whose were mailed is told by no state that changes by itself.
    assert {name: token_state(token) for name, token in links.items()} == dict.fromkeys(links, "pending") | {
        "nina": "confirmed"
    }
    assert consistency.check_projections(lantern, LATER).wrong == []
    # An old link, pressed all the same, brings back nobody and nothing.
    say(lantern, "confirm", token=links["boris"], at=LATER.isoformat())
    unsubscribes.take(LATER)
    assert status(people["boris"], thursday) == "unsubscribed"
    assert queries.values_of(people["boris"])["CITY"] == ""


def test_what_a_reader_confirmed_stays_and_what_a_stranger_typed_before_them_goes(
    lantern: Any, thursday: Any, form: Any
) -> None:
    ada, theirs = typed(form, "ada", "Minsk")
    _ada, own = typed(form, "ada", "Riga", days=2)
    say(lantern, "confirm", token=own, at=(NOW + timedelta(days=7)).isoformat())
    unsubscribes.take(NOW + timedelta(days=12))  # The house stood still when they pressed.
    ada.refresh_from_db()
    assert status(ada, thursday) == "subscribed" and queries.values_of(ada)["CITY"] == "Riga"
    forget_all(NOW + timedelta(days=12))
    assert cities(lantern) == ["Riga", "Riga"]
    assert (token_state(theirs), token_state(own)) == ("pending", "confirmed")
    assert status(ada, thursday) == "subscribed"


def test_of_who_was_erased_meanwhile_nothing_is_left_to_forget(lantern: Any, form: Any) -> None:
    ada, _link = typed(form, "ada", "Minsk")
    audience.erase(lantern, subscriber=ada, now=NOW)
    assert expire_signups.forget(LATER) == 0 and not SignUp.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_who_was_forgotten_may_sign_up_again_as_somebody_new(lantern: Any, thursday: Any) -> None:
    ada = ask(lantern, thursday, "ada")
    expire_signups.forget(LATER)
    event_handlers.follow(LATER)
    assert not Event.objects.filter(kind="subscriber.forgotten", handled=False).exists()
    again = ask(lantern, thursday, "ada", days=10)
    assert again.number != ada.number
