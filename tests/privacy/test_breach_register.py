"""A breach: who is affected by what, how long the law leaves, what has to be written (law.md, articles 33 and 34)."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyrage
import pytest

from samizdat.accounts.actions import add_person, give_role
from samizdat.audience import actions as audience
from samizdat.events.actions import record
from samizdat.privacy import actions, breach_register, legal_documents
from samizdat.privacy.breach_register import AffectedFilter
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Breach
from tests.conftest import NOW, PASSWORD, TODAY
from tests.privacy.conftest import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def clara(lantern: Any) -> Any:
    person = add_person("clara@lantern.example", name="Clara", password=PASSWORD, today=TODAY)
    give_role(person, lantern, "editor", by=None, now=NOW)
    return person


def test_a_copied_disk_names_nobody_and_a_key_names_everybody(lantern: Any, letter: Any, ada: Any) -> None:
    audience.suppress(lantern, "manual", address="zoe@post.example", now=NOW)
    disk = breach_register.affected(lantern, AffectedFilter("disk", NOW))
    key = breach_register.affected(lantern, AffectedFilter("key", NOW))
    assert (disk.readers, key.readers) == (0, 1)
    assert disk.counts == key.counts == {"subscribers": 1, "subscribed": 1, "records": 1, "suppressions": 1}


def test_of_an_account_the_log_tells_what_it_did_since(lantern: Any, letter: Any, ada: Any, clara: Any) -> None:
    bell = people(lantern, letter, 1)[0]
    for moment, row in ((NOW, ada), (NOW, ada), (NOW - timedelta(days=9), bell)):
        record("subscriber.opened", lantern, now=moment, by=clara, about=row.id)
    asked = AffectedFilter("account", NOW, since=(NOW - timedelta(days=2)).date(), person=clara.pk)
    found = breach_register.affected(lantern, asked)
    assert (found.readers, found.counts) == (1, {"opened": 1})
    longer = AffectedFilter("account", NOW, since=(NOW - timedelta(days=10)).date(), person=clara.pk)
    assert breach_register.affected(lantern, longer).readers == 2


def test_an_account_that_exported_or_fetched_a_file_has_everybody(
    lantern: Any, letter: Any, ada: Any, clara: Any
) -> None:
    from samizdat.portability import actions as exporting

    people(lantern, letter, 2)
    asked = AffectedFilter("account", NOW, person=clara.pk)
    key = (str(pyrage.x25519.Identity.generate().to_public()),)  # Of a plain file nobody but who asked gets a copy.
    another = exporting.ask(lantern, exporting.ExportRequest("csv", key), reason="A copy.", now=NOW, by=None)
    assert breach_register.affected(lantern, asked).readers == 0, "nobody's account asked for it"
    exporting.fetch(exporting.run(another.pk, now=lambda: NOW), now=lambda: NOW, by=clara)
    assert breach_register.affected(lantern, asked).readers == 3
    exporting.ask(lantern, exporting.ExportRequest("csv"), reason="A copy.", now=NOW, by=clara)
    found = breach_register.affected(lantern, asked)
    assert (found.readers, found.counts) == (3, {"exports": 2})


def test_of_a_route_what_was_handed_over_since(lantern: Any, letter: Any, ada: Any, sent: Callable[..., Any]) -> None:
    from samizdat.delivery.models import Route

    people(lantern, letter, 2)
    sent(letter, at=NOW)
    route = Route.objects.get()
    found = breach_register.affected(lantern, AffectedFilter("route", NOW, route=route.pk))
    assert (found.readers, found.counts) == (3, {"handed": 3})
    later = AffectedFilter("route", NOW, since=(NOW + timedelta(days=1)).date(), route=route.pk)
    assert breach_register.affected(lantern, later).readers == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "weather"}, "kind"),
        ({"noticed": NOW + timedelta(hours=1)}, "noticed"),
        ({"since": (NOW + timedelta(days=3)).date()}, "since"),
        ({"kind": "account", "person": 999_999}, "person"),
        ({"kind": "account"}, "person"),
        ({"kind": "route", "route": 999_999}, "route"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(lantern: Any, change: dict[str, Any], code: str) -> None:
    with pytest.raises(PrivacyError) as refused:
        actions.note_breach(lantern, AffectedFilter(**({"kind": "disk", "noticed": NOW} | change)), now=NOW)
    assert refused.value.code == code
    assert not Breach.objects.exists()


def test_the_hours_run_from_the_noticing_and_what_is_told_is_told_once(lantern: Any, ada: Any) -> None:
    noticed = NOW - timedelta(hours=70)
    breach = actions.note_breach(lantern, AffectedFilter("key", noticed, notes="The server was taken."), now=NOW)
    assert breach_register.deadline(breach) == NOW + timedelta(hours=2)
    actions.tell(breach, "authority", now=NOW)
    actions.tell(breach, "authority", now=NOW + timedelta(days=1))
    assert breach.told_authority == NOW
    assert b"taken" not in bytes(breach.notes_sealed)
    actions.write_breach(breach, notes="The server was taken.", done="Passwords changed.", now=NOW)
    assert breach_register.told_of(breach).done == "Passwords changed."


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", ["disk", "key", "export"])
@pytest.mark.parametrize("draft", [breach_register.to_authority, breach_register.to_readers])
def test_a_draft_says_what_is_known_in_its_language(
    draft: Callable[..., Any], kind: str, language: str, lantern: Any, ada: Any
) -> None:
    breach = actions.note_breach(lantern, AffectedFilter(kind, NOW, notes="Taken on Monday."), now=NOW)
    text = legal_documents.as_text(draft(breach, language))
    assert "Taken on Monday." in text and "Northern Lantern" in text
    assert (len(re.findall("[а-я]", text)) > len(text) / 3) == (language == "ru")
    assert not re.search(r"%\(|\bNone\b", text)
    assert "ada@" not in text


@pytest.mark.parametrize("kind", [*breach_register.KINDS])
def test_a_letter_to_readers_speaks_of_them_and_in_no_word_of_the_desk(kind: str, lantern: Any) -> None:
    breach = Breach(organization=lantern, kind=kind, noticed=NOW)
    text = legal_documents.as_text(breach_register.to_readers(breach, "en"))
    assert not re.search(r"\badmin\b|keyed|statuses|signing keys|this account", text)
    assert breach_register.surrenders(kind) not in text
    assert ("Someone may learn that you get our emails" in text) == (kind not in breach_register.UNREADABLE)
