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
    assert sum(progress_of(row).left_out.values()) == 1


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
    assert named.tags == (["Volunteers"] if kind is MailerLite else [])


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
