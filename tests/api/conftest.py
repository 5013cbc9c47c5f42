"""Programs of two organizations. Northern Lantern has two lists; Harbour Bell has one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.conftest import NOW, TODAY

BOTH = ("subscribers:read", "subscribers:write")


@dataclass
class Program:
    """What calls the API with a key. Its answers are JSON."""

    organization: Any
    lists: dict[str, Any] = field(default_factory=dict)
    token: str = ""

    def bound(self, *lists: Any, scopes: tuple[str, ...] = BOTH, by: Any = None) -> "Program":
        """With another key: bound to these lists, with these scopes; created by this person, and approved."""
        from samizdat.accounts import api_keys

        numbers = [list_.pk for list_ in lists]
        token, row = api_keys.add(self.organization, "Program", scopes, lists=numbers, now=NOW, by=by)
        api_keys.sign(row)
        return Program(self.organization, self.lists, token)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response; `path` begins after /api/v1."""
        data = body if isinstance(body, (str, bytes)) else "" if body is None else json.dumps(body)
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return Client().generic(
            method, f"/api/v1{path}", data, content_type="application/json", headers=bearer | headers
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        response = self.call(method, path, body, **headers)
        return response.status_code, json.loads(response.content) if response.content else None


@pytest.fixture(autouse=True)
def full_buckets() -> Iterator[None]:
    from samizdat.api import keys

    keys._buckets.clear()
    yield
    keys._buckets.clear()


@pytest.fixture
def program(lantern: Any) -> Program:
    from samizdat.audience.actions import new_list

    program = Program(lantern)
    for name in ("Letter", "Appeals"):
        program.lists[name] = new_list(lantern, name, now=NOW)
    return program.bound()


@pytest.fixture
def bell(lantern: Any, vault: Any) -> Program:
    from samizdat.accounts.actions import found_organization
    from samizdat.audience.actions import new_list

    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    return Program(other, {"Bell": new_list(other, "Bell", now=NOW)}).bound()


@pytest.fixture
def clara(lantern: Any) -> Any:
    """An admin of Northern Lantern, since long ago."""
    from samizdat.accounts.actions import add_person, give_role

    person = add_person("clara@lantern.example", password="tall grass under the bridge", today=TODAY)
    give_role(person, lantern, "admin", by=None, now=NOW - timedelta(days=9))
    return person
