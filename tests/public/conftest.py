"""The public pages in this process: their own settings over the test public database, and keys without a supervisor."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

import samizdat.public
from samizdat.core.crypto import seal, tokens
from samizdat.publicdb import actions
from samizdat.vault.box_keys import BoxKeys

UID = bytes(range(16))
OTHER_UID = bytes(range(1, 17))
KEY = tokens.LinkKey(77, bytes(range(32)))
OTHER_KEY = tokens.LinkKey(78, bytes(range(1, 33)))
# They came along with an export: one long ago.
OLD_KEY, NEW_KEY = tokens.LinkKey(79, bytes(range(3, 35))), tokens.LinkKey(80, bytes(range(4, 36)))
BOX = bytes(range(2, 34))
# As samizdat/public/settings.py has it, whose app the tests have not installed.
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(samizdat.public.__file__).parent / "templates"],
        "OPTIONS": {"loaders": [("django.template.loaders.cached.Loader", ["samizdat.template_loader.Loader"])]},
    }
]


def publish(
    uid: bytes = UID,
    host: str = "",
    name: str = "Northern Lantern",
    language: str = "en",
    mailbox: str = "",
    **more: Any,
) -> None:
    actions.publish_place(
        uid,
        host=host,
        name=name,
        language=language,
        accent="#1b6e53",
        unsubscribe_mailbox=mailbox,
        **more,
    )


@pytest.fixture
def lantern_place(db: Any) -> bytes:
    """Northern Lantern with its Thursday Letter, edition 4, published."""
    publish()
    actions.publish_letter(UID, 4, list_name="the Thursday Letter", language="en")
    actions.publish_form(
        UID, "thursday", list=3, name="the Thursday Letter", purpose="One story a week.", language="en"
    )
    return UID


@pytest.fixture
def reader() -> Iterator[Client]:
    """A reader's browser without cookies."""
    from samizdat.public import tokens
    from samizdat.worker.inbox import link_keys

    today = timezone.now().date()
    rows = [
        {
            "organization": uid.hex(),
            "number": key.number,
            "keys": {p: base64.b64encode(secret).decode() for p, secret in link_keys.given(key).items()},
            "until": until,
        }
        for uid, key, until in (
            (UID, KEY, ""),
            (OTHER_UID, OTHER_KEY, ""),
            (UID, OLD_KEY, (today - timedelta(days=1)).isoformat()),
            (UID, NEW_KEY, (today + timedelta(days=1)).isoformat()),
        )
    ]
    before, tokens.reader = tokens.reader, tokens.TokenReader(lambda: rows)
    with override_settings(
        ROOT_URLCONF="samizdat.public.urls",
        MIDDLEWARE=["samizdat.public.middleware.QuietMiddleware"],
        TEMPLATES=TEMPLATES,
    ):
        yield Client(enforce_csrf_checks=True)
    tokens.reader = before


@pytest.fixture(autouse=True)
def _quick_and_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms may be sent off at once, nothing is left of the test before, and the key of boxes is known."""
    from samizdat.public import door, envelopes, form_tokens, signup

    monkeypatch.setattr(envelopes, "boxes", BoxKeys(lambda _uid: (5, seal.public_key(BOX))))
    monkeypatch.setattr(form_tokens, "YOUNGEST", 0)
    monkeypatch.setattr(signup, "purses", form_tokens.RateBudgets())
    monkeypatch.setattr(door, "purses", form_tokens.RateBudgets())
    monkeypatch.setattr(door, "memory", door.RateMemory())
    monkeypatch.setattr(signup, "used", form_tokens.UsedTokens())


def stamp_of(page: Any) -> str:
    return re.search(r'name="stamp" id="stamp" value="([a-z2-7]{39})"', page.content.decode())[1]  # type: ignore[index]


def sign_up(reader: Client, words: dict[str, Any], slug: str = "thursday", **how: Any) -> Any:
    """Opens the form and sends it off filled in."""
    return reader.post(f"/f/{slug}", {"stamp": stamp_of(reader.get(f"/f/{slug}"))} | words, **how)
