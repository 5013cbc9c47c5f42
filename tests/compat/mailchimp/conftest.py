"""A program that has Mailchimp's API in it, with a key for one list of Northern Lantern. The bound key of another list
and that of Harbour Bell are there to be kept out."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.test import Client

from tests.conftest import NOW, TODAY

BOTH = ("subscribers:read", "subscribers:write")
CONSENT = "Ticked “Letter” on our website."


@dataclass(frozen=True)
class MailchimpProgram:
    """Its answers are JSON. authorization: the header."""

    organization: Any
    list: Any
    token: str = ""
    authorization: str = ""

    @property
    def list_id(self) -> str:
        return f"{self.list.pk:010x}"

    def keyed(self, *, scopes: tuple[str, ...] = BOTH, consent: str = "", lists: Any = None) -> "MailchimpProgram":
        """With another key."""
        from samizdat.accounts import api_keys

        numbers = [each.pk for each in ([self.list] if lists is None else lists)]
        token, _row = api_keys.add(
            self.organization, "Plug-in", scopes, lists=numbers, consent=consent, now=NOW, by=None
        )
        encoded = base64.b64encode(f"mc4wp:{token}-us1".encode()).decode()
        return replace(self, token=token, authorization=f"Basic {encoded}")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response; `path` begins after /3.0."""
        data = body if isinstance(body, (str, bytes)) else "" if body is None else json.dumps(body)
        sent = {"Authorization": self.authorization} if self.authorization else {}
        return Client().generic(method, f"/3.0{path}", data, content_type="application/json", headers=sent | headers)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        response = self.call(method, path, body, **headers)
        return response.status_code, json.loads(response.content) if response.content else None

    def of_list(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """`path` begins after the id of the list."""
        return self.ask(method, f"/lists/{self.list_id}{path}", body)

    def member(self, method: str, address: str, below: str = "", body: Any = None) -> tuple[int, Any]:
        return self.of_list(method, f"/members/{md5(address)}{below}", body)


def md5(address: str) -> str:
    """As clients make it."""
    return hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def full_buckets() -> Iterator[None]:
    from samizdat.api import keys

    keys._buckets.clear()
    yield
    keys._buckets.clear()


@pytest.fixture
def program(lantern: Any) -> MailchimpProgram:
    from samizdat.audience.actions import new_list

    return MailchimpProgram(lantern, new_list(lantern, "Letter", now=NOW)).keyed()


@pytest.fixture
def other_list(program: MailchimpProgram) -> MailchimpProgram:
    """Of the same organization."""
    from samizdat.audience.actions import new_list

    return MailchimpProgram(program.organization, new_list(program.organization, "Appeals", now=NOW)).keyed()


@pytest.fixture
def bell(lantern: Any, vault: Any) -> MailchimpProgram:
    from samizdat.accounts.actions import found_organization
    from samizdat.audience.actions import new_list

    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    return MailchimpProgram(other, new_list(other, "Bell", now=NOW)).keyed()
