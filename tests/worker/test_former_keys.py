"""A link key that came along with an export may be in other hands as well: those of whoever has the file, or ran the
server before. By it people leave whenever they like, and nothing else is believed for long."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import forms
from samizdat.audience.actions.preferences import mark_of
from samizdat.core.crypto import tokens
from samizdat.publicdb import queries as publicdb
from samizdat.publicdb.models import Site
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
from samizdat.worker.inbox import preferences, signups, unsubscribes
from tests.conftest import NOW, TODAY
from tests.worker.conftest import moved_in, say, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

FORMER = tokens.LinkKey(77, bytes(range(32)))
DAY = timedelta(days=1)
YEAR = timedelta(days=365)


@pytest.fixture
def ada(lantern: Any, thursday: Any) -> Any:
    return audience.add_subscriber(lantern, "ada@example.org", thursday, consent="By form.", now=NOW - YEAR)


@pytest.mark.parametrize("purpose", ["leave", "preferences"])
def test_an_old_letter_leaves_for_ever(lantern: Any, thursday: Any, ada: Any, vault: Any, purpose: str) -> None:
    moved_in(lantern, FORMER, vault, TODAY - YEAR)
    say(lantern, "leave", token=tokens.make(FORMER, purpose, 5, ada.number), purpose=purpose, way="form")
    unsubscribes.take(NOW)
    assert status(ada, thursday) == "unsubscribed"


@pytest.mark.parametrize(("came", "confirms"), [(DAY, True), (0 * DAY, False), (-YEAR, False)])
def test_a_former_key_confirms_what_was_mailed_before_it_came_and_nothing_else(
    lantern: Any, thursday: Any, ada: Any, vault: Any, out: Path, came: timedelta, confirms: bool
) -> None:
    """Else whoever has the file signs up whom they like, also who had unsubscribed, and confirms it themselves."""
    moved_in(lantern, FORMER, vault, TODAY + came)
    audience.unsubscribe(ada, thursday, now=NOW)
    say(lantern, "signup", address="ada@example.org", list=str(thursday.id), language="en", wording="One story.")
    signups.take(NOW)
    waiting = queries.waiting_at(lantern, "ada@example.org")
    assert waiting is not None
    link = tokens.make(FORMER, "confirm", forms.dated(thursday.id, TODAY), waiting.number)
    later = NOW + 2 * DAY
    say(lantern, "confirm", token=link, at=later.isoformat())
    unsubscribes.take(later)
    assert (status(ada, thursday) == "subscribed") is confirms


@pytest.mark.parametrize("purpose", preferences.MAILED)
def test_a_former_key_makes_no_link_that_erases_moves_or_tells(
    lantern: Any, thursday: Any, ada: Any, vault: Any, purpose: str
) -> None:
    mark = mark_of(lantern, "new@example.org") if purpose in ("move", "allow") else 0
    mailed = preferences.mailed_token(ada, purpose, NOW, mark)
    assert preferences.read_mailed(lantern, purpose, mailed, NOW)
    moved_in(lantern, FORMER, vault, TODAY)
    keyring.look_again(lantern)
    edition = tokens.read(keyring.keys(lantern).links, purpose, mailed).edition
    forged = tokens.make(FORMER, purpose, edition, ada.number)
    assert preferences.read_mailed(lantern, purpose, forged, NOW) is None
    say(lantern, "proven", token=forged, purpose=purpose)
    preferences.take(NOW)
    assert queries.address_of(ada) == "ada@example.org"


def test_whoever_writes_the_database_makes_no_former_key_younger(lantern: Any, vault: Any) -> None:
    moved_in(lantern, tokens.LinkKey(78, os.urandom(32)), vault, TODAY - YEAR)
    VaultKey.objects.filter(number=78).update(created=TODAY)
    keyring.look_again(lantern)
    assert 78 not in keyring.keys(lantern).links
    assert [row.number for row in keyring.unopened()] == [78]


@pytest.mark.parametrize(("came", "counts"), [(DAY, True), (-YEAR, False)])
def test_nobody_is_brought_back_or_looked_up_by_a_former_key(
    lantern: Any, thursday: Any, ada: Any, vault: Any, came: timedelta, counts: bool
) -> None:
    """Whoever has an old file would learn who of it still subscribes, and bring back who has left."""
    moved_in(lantern, FORMER, vault, TODAY + came)
    keyring.look_again(lantern)
    link, secret = tokens.make(FORMER, "preferences", 5, ada.number), "a" * 26
    say(lantern, "show", token=link, purpose="preferences", secret=secret)
    preferences.take(NOW)
    sheet = publicdb.sheet(Site.objects.get(uid=bytes(lantern.uid)), link + secret, NOW)
    assert ("status" in str(sheet)) is counts
    for kind in ("leave", "back"):
        say(lantern, kind, token=link, purpose="preferences", way="form")
    unsubscribes.take(NOW)
    assert (status(ada, thursday) == "subscribed") is counts
