"""Twenty readers join, confirm letters and appeals, take those back, change, pause, leave and are erased, without
script, cookie or picture.

`./run bench journeys` sends a thousand through a served house; here the pages and the worker are in this process.
"""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

from bench.journeys import Walk, tokens_in
from samizdat import dbclock
from samizdat.audience import queries
from samizdat.audience.actions import fundraising_consent
from samizdat.audience.models import MailQuota, Subscriber
from samizdat.core.crypto import tokens as link
from samizdat.delivery.actions import add_route
from samizdat.public import envelopes, form_tokens, signup, style, tokens
from samizdat.publicdb.models import Intake
from samizdat.vault import keyring
from samizdat.vault.box_keys import BoxKeys
from samizdat.worker.inbox import link_keys, signup_memory, signups, subject_requests, unsubscribes
from samizdat.worker.inbox import preferences as choosing
from samizdat.worker.publishing import publish
from tests.conftest import NOW
from tests.public.conftest import TEMPLATES
from tests.worker.conftest import box_key

pytestmark = pytest.mark.django_db

HOST = {"host": "lantern.example"}


class InProcess:
    """The public pages by Django's client, the worker by its loops."""

    def __init__(self, lantern: Any, out: Path) -> None:
        self._lantern, self._out, self._client = lantern, out, Client(enforce_csrf_checks=True)

    def get(self, path: str) -> tuple[int, str, str]:
        return self._told(self._client.get(path, headers=HOST))

    def post(self, path: str, words: dict[str, str]) -> tuple[int, str, str]:
        return self._told(self._client.post(path, words, headers=HOST))

    def _told(self, answer: Any) -> tuple[int, str, str]:
        assert not answer.cookies
        return answer.status_code, answer.content.decode(), answer.headers.get("Location", "")

    def mail(self, address: str, path: str) -> str:
        found = {(to, kind): token for to, kind, token in tokens_in(self._out.rglob("*.eml"))}
        return found.get((address, path), "")

    def preferences(self, addresses: Sequence[str]) -> dict[str, str]:
        key, found = keyring.keys(self._lantern).link, {}
        assert key is not None
        for address in addresses:
            row = queries.subscriber_at(self._lantern, address)
            assert row is not None
            found[address] = link.make(key, "preferences", 1, row.number)
        return found

    def work(self) -> None:
        if Intake.objects.exists():
            for loop in (unsubscribes, choosing, signups, subject_requests):
                loop.take(dbclock.now())


@pytest.fixture
def site(lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    publish.list_as_form(thursday)
    key = keyring.keys(lantern).link
    assert key is not None
    reading = {name: base64.b64encode(secret).decode() for name, secret in link_keys.given(key).items()}
    row = {"organization": bytes(lantern.uid).hex(), "number": key.number, "keys": reading}
    monkeypatch.setattr(tokens, "reader", tokens.TokenReader(lambda: [row]))
    monkeypatch.setattr(envelopes, "boxes", BoxKeys(lambda _uid: box_key(lantern)))
    monkeypatch.setattr(signup, "purses", form_tokens.RateBudgets())
    monkeypatch.setattr(signups, "memory", signup_memory.SignupMemory())
    with override_settings(
        ROOT_URLCONF="samizdat.public.urls",
        MIDDLEWARE=["samizdat.public.middleware.QuietMiddleware"],
        TEMPLATES=TEMPLATES,
    ):
        yield InProcess(lantern, tmp_path)


def test_twenty_readers_join_confirm_change_pause_leave_and_are_erased(site: InProcess, lantern: Any) -> None:
    addresses = [f"reader{number}@example.org" for number in range(20)]
    walk = Walk(site, ["thursday"])
    walk.go(addresses)
    assert not Subscriber.objects.exists()
    assert {queries.suppression_of(lantern, address) for address in addresses} == {"erased"}
    assert not Intake.objects.exists()
    assert MailQuota.objects.count() == 8 * len(addresses), (
        "one page and one mail to confirm, by address and by mailbox, one sign-up, whether they are asked this "
        "week, one mail to erase, to somebody who had left"
    )
    assert max(walk.weights.values()) + len(style.sheet("").encode()) <= 14 * 1024
