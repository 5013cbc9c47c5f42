"""Standing copies of accounts at Brevo, Kit and MailerLite, against servers that were written from their references."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from samizdat import plugins
from samizdat.audience.queries import card, subscriber_at
from samizdat.portability.account_copies import actions, copying, people, pieces, restoring
from samizdat.portability.account_copies.records import progress_of
from samizdat.portability.models import AccountCopy
from tests.conftest import NOW
from tests.fakes.other_accounts import Brevo, Kit, MailerLite, OtherServer

SERVICES = [Brevo, Kit, MailerLite]
LATER = NOW + timedelta(days=1)
SIZE = 1_240


def added(lantern: Any, server: OtherServer) -> AccountCopy:
    return actions.add(lantern, server.service.name, server.service.key, now=NOW, endpoint=server.endpoint)


def run(row: AccountCopy, now: Any = NOW) -> AccountCopy:
    done = copying.run(row.pk, now=lambda: now, sleep=lambda _seconds: None)
    done.refresh_from_db()
    return done


def statuses(row: AccountCopy) -> dict[str, str]:
    return {at: contact.status for known in people.folded(row, progress_of(row)) for (_, at), contact in known.items()}


@pytest.mark.parametrize("kind", SERVICES)
def test_everybody_comes_once_with_their_status(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(SIZE)) as server:
        row = run(added(lantern, server))
        counts = Counter(statuses(row).values())
    quarter, fifth = SIZE // 4, SIZE // 5
    wanted = {
        "brevo": {"subscribed": 2 * quarter, "unsubscribed": 2 * quarter},
        "kit": dict.fromkeys(("subscribed", "unsubscribed", "cleaned", "complained", "pending"), fifth),
        "mailerlite": {"subscribed": fifth, "unsubscribed": 2 * fifth, "cleaned": fifth, "pending": fifth},
    }
    assert counts == wanted[kind.name] and progress_of(row).totals.contacts == SIZE


@pytest.mark.parametrize("kind", SERVICES)
def test_the_next_night_writes_only_what_was_changed(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(SIZE)) as server:
        row = run(added(lantern, server))
        lines = progress_of(row).lines["contacts"]
        address = next(at for at, status in statuses(row).items() if status == "subscribed")
        server.service.leave(int(address.partition("@")[0].rpartition(".")[2]))
        row = run(row, LATER)
        assert progress_of(row).lines["contacts"] == lines + 1
        assert statuses(row)[address] == "unsubscribed"


@pytest.mark.parametrize("kind", SERVICES)
def test_nothing_about_donors_reading_and_places_is_kept(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(40)) as server:
        row = run(added(lantern, server))
    written = repr([list(pieces.contacts(row)), pieces.items(row, "fields"), pieces.items(row, "tags")]).lower()
    assert not [word for word in ("donat", "donor", "203.0.113.9", "66.6", "opens_count") if word in written]
    assert sum(progress_of(row).left_out.values()) == (2 if kind is Kit else 1)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_copy_becomes_a_list(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(40)) as server:
        row = run(added(lantern, server))
        (done,) = restoring.restore(row, now=lambda: NOW).people
    assert done.counts["added"] == 40 and not done.counts["rejected"]
    for address, status in statuses(row).items():
        (of,) = card(subscriber_at(lantern, address), NOW).lists
        assert of.status == {"complained": "unsubscribed"}.get(status, status)
    named = card(subscriber_at(lantern, next(iter(statuses(row)))), NOW)
    assert named.values.get("FNAME", "") == {"brevo": "Joe", "kit": "", "mailerlite": "Dummy"}[kind.name]
    assert named.tags == {"brevo": [], "kit": ["Readers"], "mailerlite": ["Volunteers"]}[kind.name]


@pytest.mark.parametrize("kind", SERVICES)
def test_who_is_deleted_there_is_marked_and_comes_without_consent(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(40)) as server:
        row = run(added(lantern, server))
        subscribed = [at for at, status in statuses(row).items() if status == "subscribed"]
        (gone, back), left = (
            subscribed[:2],
            next(at for at, status in statuses(row).items() if status == "unsubscribed"),
        )
        everybody = list(server.service.people)
        server.service.people = [each for each in everybody if each[kind.address] not in (gone, back, left)]
        row = run(row, LATER)
        (there,) = progress_of(row).people.values()
        assert there["deleted"] == 2, "and who left counts as somebody who left"
        lines = progress_of(row).lines["contacts"]
        row = run(row, LATER + timedelta(days=1))
        assert progress_of(row).lines["contacts"] == lines, "noted once"
        server.service.people = [each for each in everybody if each[kind.address] not in (gone, left)]
        row = run(row, LATER + timedelta(days=2))
        (there,) = progress_of(row).people.values()
        assert there["deleted"] == 1
        restoring.restore(row, now=lambda: NOW)
    found = {at: card(subscriber_at(lantern, at), NOW).lists[0].status for at in (gone, back, left, subscribed[2])}
    assert list(found.values()) == ["nonsubscribed", "subscribed", "unsubscribed", "subscribed"]


def test_who_was_deleted_there_by_a_stranger_can_be_kept(lantern: Any) -> None:
    with OtherServer(MailerLite(40)) as server:
        row = run(added(lantern, server))
        server.service.people = []
        row = run(row, LATER)
        restoring.restore(row, keep_deleted=True, now=lambda: NOW)
    assert Counter(card(subscriber_at(lantern, at), NOW).lists[0].status for at in statuses(row)) == {
        "subscribed": 8, "unsubscribed": 16, "cleaned": 8, "pending": 8,
    }  # fmt: skip


def test_a_run_that_was_broken_off_says_nothing_of_who_is_gone(lantern: Any) -> None:
    with OtherServer(MailerLite(240)) as server:
        row = run(added(lantern, server))
        pages = 0

        def stop() -> bool:
            nonlocal pages
            pages += 1
            return pages == 4  # fields, groups, a page of contacts

        with pytest.raises(copying.CopyStopped):
            copying.run(row.pk, now=lambda: LATER, stop=stop, sleep=lambda _seconds: None)
        row = run(row, LATER)
    assert Counter(statuses(row).values()) == Counter(
        {"subscribed": 48, "unsubscribed": 96, "cleaned": 48, "pending": 48}
    )
    assert not [known for some in people.folded(row, progress_of(row)) for known in some.values() if known.gone]


def test_who_has_which_tag_is_asked_of_each_tag_of_kit_but_those_of_donors(lantern: Any) -> None:
    with OtherServer(Kit(SIZE)) as server:
        row = run(added(lantern, server))
    names = {id: kept.item.name for id, kept in pieces.items(row, "tags").items()}
    assert set(names.values()) == {"Readers", "Volunteers"} and progress_of(row).left_out["donor_tags"] == 1
    tagged = Counter(names[tag] for contact in pieces.contacts(row) for tag in contact.tags)
    assert tagged == {"Readers": SIZE, "Volunteers": sum((1_000 + number) % 7 == 0 for number in range(SIZE))}


def test_who_is_blocklisted_at_brevo_and_on_no_list_is_never_subscribed(lantern: Any) -> None:
    with OtherServer(Brevo(40)) as server:
        server.service.people[3] |= {"listIds": [], "listUnsubscribed": None}
        blocked = [each["email"] for each in server.service.people if each["emailBlacklisted"]]
        row = run(added(lantern, server))
        (done,) = restoring.restore(row, now=lambda: NOW).people
    assert done.counts["added"] == 40 and server.service.people[3]["email"] in blocked
    assert {card(subscriber_at(lantern, at), NOW).lists[0].status for at in blocked} == {"unsubscribed"}


@pytest.mark.parametrize("kind", SERVICES)
def test_a_key_that_is_none_or_was_revoked_is_told_apart_from_a_closed_account(lantern: Any, kind: Any) -> None:
    with OtherServer(kind(5)) as server:
        with pytest.raises(plugins.ServiceRefused) as wrong:
            actions.add(lantern, server.service.name, "no key", now=NOW, endpoint=server.endpoint)
        assert wrong.value.code == "bad_key"
        with pytest.raises(plugins.ServiceRefused) as revoked:
            actions.add(lantern, server.service.name, f"{server.service.key}0", now=NOW, endpoint=server.endpoint)
        assert revoked.value.code == "key_refused"
        row = run(added(lantern, server))
        server.closed = 403, {"message": "Your account has been suspended."}
        assert not actions.look(row, now=lambda: NOW, sleep=lambda _seconds: None)
    assert progress_of(AccountCopy.objects.get()).problem.code == "closed"
