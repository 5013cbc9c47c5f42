"""Requests that schemathesis makes up from the document of the API: nothing breaks, every answer is as documented, and
nothing of another organization is in it or changes."""

from typing import Any

import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks

from samizdat.accounts.api_keys import SCOPES
from samizdat.api import keys, openapi
from samizdat.audience import actions as audience
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import add_route
from samizdat.publicdb.actions import publish_place
from tests.api.conftest import Program
from tests.api.test_matrix import facts, numbered
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

SERVER = "http://testserver"
EXAMPLES = 12
# The other organization's, in no answer.
FOREIGN = (
    "foreign@reader.example",
    "Foreign letter",
    "Foreign subject",
    "foreign tag",
    "FOREIGN",
    "Harbour Bell template",
    "Harbour Bell image",
    "Foreign route",
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi.document())
OPERATIONS = [each.ok() for each in SCHEMA.get_all_operations()]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]

made_up = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)


def _fill(program: Program, list_: Any, word: str) -> dict[str, Any]:
    """One of everything, named by `word`. As parameters of paths and bodies call them."""
    organization, name = program.organization, word.lower()
    audience.add_field(organization, word.upper(), f"{word} field", now=NOW)
    ada = audience.add_subscriber(
        organization, f"{name}@reader.example", list_, consent="Yes.", tags=[f"{name} tag"], now=NOW
    )
    draft = Draft(subject=f"{word} subject", from_email=f"{name}@r.example", body="Hello")
    create(organization, list_, draft, by=None, now=NOW)
    campaign = Campaign.objects.get(organization=organization)
    add_route(organization, f"{word} route", "folder:///tmp/nothing", now=NOW)
    numbers = {"list": list_.pk, "subscribers": ada.number, "campaigns": campaign.pk}
    numbers |= {
        kind: numbered(kind, list_) for kind in ("templates", "media", "routes", "segments", "tags", "webhooks")
    }
    return numbers | {"email": f"{name}@reader.example"}


@pytest.fixture
def both(program: Program, bell: Program) -> tuple[Program, dict[str, Any], dict[str, Any]]:
    """A program with every access, and what its organization and the other one have."""
    letter = program.lists["Letter"]
    audience.give_form(letter, "letter", now=NOW)
    publish_place(bytes(program.organization.uid), host="", name="L", language="en", accent="#b3261e")
    return (
        program.bound(scopes=tuple(SCOPES)),
        _fill(program, letter, "Own"),
        _fill(bell, bell.lists["Bell"], "Foreign"),
    )


def _with_numbers(case: Any, numbers: dict[str, Any]) -> None:
    """About rows that exist, where the request has a number or an address at all."""
    kind = case.path.split("/")[3]
    for name in case.path_parameters or {}:
        case.path_parameters[name] = numbers.get(kind, numbers["list"])
    for part in (case.query, case.body):
        for name in {"list", "email"}.intersection(part if isinstance(part, dict) else ()):
            part[name] = numbers[name]


def _answer(case: Any, token: str) -> Response:
    """As the server answers it, in the form that schemathesis checks."""
    keys._buckets.clear()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sent = requests.Request(**case.as_transport_kwargs(base_url=SERVER, headers=headers)).prepare()
    path, _mark, query = sent.path_url.partition("?")
    given_headers = {name: value for name, value in sent.headers.items() if name.lower() != "content-length"}
    content_type = given_headers.pop("Content-Type", "application/json")
    answer = Client(raise_request_exception=False).generic(
        sent.method, path, sent.body or b"", content_type=content_type, headers=given_headers, QUERY_STRING=query
    )
    shown = {name.lower(): [value] for name, value in answer.headers.items()}
    return Response(answer.status_code, shown, answer.content, request=sent, elapsed=0.1, verify=False)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_as_documented(
    both: tuple[Program, dict[str, Any], dict[str, Any]], bell: Program, operation: Any, mode: Any
) -> None:
    program, own, foreign = both
    before = facts(bell.organization)

    @made_up
    @given(case=operation.as_strategy(mode), numbers=st.sampled_from([own, own, foreign, None]))
    def check(case: Any, numbers: dict[str, Any] | None) -> None:
        if numbers is not None and mode is schemathesis.GenerationMode.POSITIVE:
            _with_numbers(case, numbers)
        answer = _answer(case, program.token)
        case.validate_response(answer, checks=CHECKS)
        shown = answer.content.decode()
        assert not [word for word in FOREIGN if word in shown]

    check()
    assert facts(bell.organization) == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_without_a_key_every_answer_is_401(
    both: tuple[Program, dict[str, Any], dict[str, Any]], operation: Any
) -> None:
    program, own, _foreign = both
    before = facts(program.organization)

    @made_up
    @given(case=operation.as_strategy(), token=st.sampled_from(["", "smz_" + "a" * 40, "x"]))
    def check(case: Any, token: str) -> None:
        _with_numbers(case, own)
        answer = _answer(case, token)
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code == 401

    check()
    assert facts(program.organization) == before
