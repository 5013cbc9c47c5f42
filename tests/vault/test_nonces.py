"""A nonce is used once. AES-GCM under one key and nonce twice gives both texts away to whoever has copied a disk."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import BinaryField

from samizdat.accounts import actions as accounts
from samizdat.accounts.sessions import SessionStore
from samizdat.audience import actions as audience
from samizdat.audience.actions import bulk
from samizdat.audience.filters import Filter
from samizdat.core.crypto import seal, sealed_page
from samizdat.events.actions import record
from samizdat.public import envelopes
from samizdat.publicdb.models import Intake, PrivatePage, Site
from samizdat.vault import keyring
from samizdat.vault.box_keys import BoxKeys
from samizdat.vault.models import VaultKey
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

# What a blob or a wrapped key begins with, and where its nonce ends. Of a blob the number of the key counts as well.
SEALED = {seal.BLOB: (1, 15), seal.WRAPPED: (1, 13)}


def values() -> Iterator[bytes]:
    """Every value of bytes in house and public database."""
    for model in apps.get_models():
        for field in (one for one in model._meta.fields if isinstance(one, BinaryField)):
            yield from map(bytes, model._base_manager.exclude(**{field.name: None}).values_list(field.name, flat=True))


def nonces() -> list[bytes]:
    """Those of every sealed value, whatever table it stands in. Other bytes that look so are random."""
    sealed = {value for value in values() if len(value) >= seal.NONCE_BYTES + seal.TAG_BYTES + 1 and value[0] in SEALED}
    return [value[slice(*SEALED[value[0]])] for value in sealed]


def each_is_used_once(found: list[bytes], least: int) -> None:
    assert len(found) >= least
    assert len(set(found)) == len(found)
    assert not any(nonce.endswith(bytes(seal.NONCE_BYTES)) for nonce in found)


def test_no_two_subscribers_and_records_of_an_import_share_a_nonce(lantern: Any, bring: Any, export: Any) -> None:
    rows = [f"reader{place}@post.example,Reader,2020-01-01 10:00:00" for place in range(30)]
    bring(export("subscribed", *rows))
    bring(export("unsubscribed", *(row.replace("Reader", "Other") for row in rows)))  # Values and records once more.
    each_is_used_once(nonces(), 60)


def test_no_two_records_of_bulk_work_share_a_nonce(lantern: Any, letter: Any) -> None:
    there = audience.new_list(lantern, "Courts", now=NOW)
    for place in range(6):
        audience.add_subscriber(lantern, f"r{place}@post.example", letter, consent="yes", now=NOW)
    plan = bulk.BulkPlan(bulk.MOVE, Filter(), list=letter.id, to=there.id, words="Asked for it.")
    assert bulk.run(bulk.begin(lantern, plan, now=NOW).id, lambda: NOW)
    each_is_used_once(nonces(), 24)


def test_no_two_subscribers_that_moved_here_share_a_nonce(
    lantern: Any, letter: Any, vault: Any, tmp_path: Path
) -> None:
    from samizdat.portability.request import ExportRequest
    from tests.portability.test_export import in_another_house, made

    for place in range(6):
        audience.add_subscriber(lantern, f"r{place}@post.example", letter, consent="yes", now=NOW)
    in_another_house(made(lantern, ExportRequest("samizdat")), tmp_path, vault)
    each_is_used_once(nonces(), 24)


def test_no_two_people_sessions_and_events_of_the_instance_share_a_nonce(lantern: Any) -> None:
    person = accounts.add_person("clara@lantern.example", name="Clara", password=PASSWORD, today=TODAY)
    for _ in range(2):
        store = SessionStore()
        store["_auth_user_id"] = str(person.pk)
        store.save()
        record("clock.set_back", None, now=NOW, detail={"what": "the same"})
    each_is_used_once(nonces(), 6)


def test_no_two_keys_share_a_nonce_or_are_the_same(lantern: Any, vault: Any) -> None:
    other = accounts.found_organization("Harbour Bell", source=vault, today=TODAY)
    each_is_used_once(nonces(), 8)
    secrets = [
        vault.unwrap(keyring.label_of(row, organization), row.wrapped)
        for organization in (lantern, other)
        for row in VaultKey.objects.filter(organization=organization)
    ]
    assert len(set(secrets)) == len(secrets) == 8 and bytes(32) not in secrets


def test_no_two_boxes_of_readers_share_a_key(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.accounts.public_site import publish
    from tests.worker.conftest import box_key

    monkeypatch.setattr(envelopes, "boxes", BoxKeys(lambda _uid: box_key(lantern)))
    publish(lantern)
    place = Site.objects.get(uid=bytes(lantern.uid))
    for _ in range(2):
        envelopes.put(place, {"kind": "leave"}, 1024)
    boxes = [bytes(row.box)[struct.calcsize(">I") :] for row in Intake.objects.all()]
    assert len({box[1:33] for box in boxes}) == len({box[33:45] for box in boxes}) == 2
    # A key that everybody knows would be another's, too.
    assert seal.public_key(bytes(32)) not in {box[1:33] for box in boxes}


def test_settings_that_are_shown_twice_are_sealed_anew(lantern: Any, letter: Any) -> None:
    from samizdat.accounts.public_site import publish
    from samizdat.core.crypto import tokens
    from samizdat.worker.inbox import preferences
    from tests.worker.conftest import say

    publish(lantern)
    ada = audience.add_subscriber(lantern, "ada@example.org", letter, consent="said so", now=NOW)
    key = keyring.keys(lantern).link
    assert key is not None
    found = []
    for secret in ("a" * 26, "b" * 26):
        token = tokens.make(key, "preferences", 999, ada.number)
        say(lantern, "show", token=token, purpose="preferences", secret=secret)
        preferences.take(NOW)
        found.append(bytes(PrivatePage.objects.get(name=sealed_page.name(token + secret)).box)[: seal.NONCE_BYTES])
    each_is_used_once(found, 2)
