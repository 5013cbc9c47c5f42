"""Keys of programs and webhooks after a restore: a key works on, and a webhook repeats nothing."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from samizdat.accounts import api_keys
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.models import List
from samizdat.backup.keys import BackupKeys
from samizdat.backup.writing import WrittenCopy
from samizdat.events import chain
from samizdat.portability.webhooks import actions, delivering, posting
from tests.backup.conftest import MemoryPlace
from tests.backup.test_restoring import fill
from tests.conftest import NOW
from tests.fakes.webhook_endpoint import WebhookEndpoint, signed_by

Copied = Callable[..., WrittenCopy]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookEndpoint]:
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr(posting.post, "__defaults__", (1.0,))
    with WebhookEndpoint() as server:
        yield server


def _subscribe(list_: List, name: str) -> None:
    audience.add_subscriber(list_.organization, f"{name}@reader.example", list_, consent="At the fair.", now=NOW)
    while chain.append():
        continue


def _deliver(organization: Organization) -> None:
    delivering.deliver_due(organization.pk, now=lambda: NOW, stop=lambda: False)


def test_a_key_works_after_a_restore_and_a_revoked_one_does_not(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any, emptied: Callable[[], None]
) -> None:
    letter = audience.new_list(lantern, "Letter", now=NOW)
    now = timezone.now()
    tokens = []
    for name in ("Website", "Old website"):
        token, row = api_keys.add(lantern, name, ("subscribers:write",), lists=[letter.pk], now=now, by=None)
        api_keys.sign(row)
        tokens.append(token)
    api_keys.revoke(lantern, row.pk, now=now, by=None)
    written = copied()
    emptied()
    fill(place, written, keys)
    restored = api_keys.authenticate(tokens[0], now + timedelta(minutes=1))
    assert (api_keys.name_of(restored), restored.lists) == ("Website", [letter.pk])
    with pytest.raises(api_keys.ApiKeyInvalid):
        api_keys.authenticate(tokens[1], now + timedelta(minutes=1))


def test_a_restored_webhook_waits_while_sending_is_locked_and_tells_nothing_twice(
    copied: Copied,
    place: MemoryPlace,
    keys: BackupKeys,
    lantern: Any,
    endpoint: WebhookEndpoint,
    emptied: Callable[[], None],
) -> None:
    letter = audience.new_list(lantern, "Letter", now=NOW)
    secret, _row = actions.add(lantern, endpoint.url, ["subscriber.added"], now=NOW, by=None)
    _subscribe(letter, "ada")
    _deliver(lantern)
    _subscribe(letter, "boris")
    written = copied()
    emptied()
    fill(place, written, keys)
    restored = Organization.objects.get()
    _deliver(restored)
    assert restored.pk not in delivering.organizations() and len(endpoint.letters) == 1
    Organization.objects.update(sending_locked=False)
    _deliver(restored)
    _deliver(restored)
    # Ada before the copy was written, Boris after it was restored.
    ada, boris = (body["data"]["number"] for body in endpoint.told)
    assert ada != boris
    assert all(signed_by(secret, request) for request in endpoint.letters)
