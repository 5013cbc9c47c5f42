"""Requests with an Idempotency-Key come twice and are done once."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import override_settings

from samizdat.accounts import api_requests
from samizdat.accounts.models import IdempotentRequest
from samizdat.api import idempotency
from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord, Subscriber
from samizdat.campaigns.models import Campaign
from samizdat.events.models import Event
from samizdat.worker.schedule.event_handlers import FOLLOW_UPS, drop_answers
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
def writer(program: Program) -> Program:
    return program.bound(scopes=("campaigns:read", "campaigns:write", "subscribers:read", "subscribers:write"))


def _draft(writer: Program, key: dict[str, str] = KEY, **more: Any) -> Any:
    body = {"list": writer.lists["Letter"].pk, "subject": "River", "body": "Hello", "from_email": "a@lantern.example"}
    return writer.call("POST", "/campaigns", body | more, **key)


def test_the_same_request_is_done_once_and_answered_the_same(writer: Program) -> None:
    first, second = _draft(writer), _draft(writer)
    assert (first.status_code, first.content) == (201, second.content)
    assert (second.status_code, second["Content-Type"]) == (201, first["Content-Type"])
    assert (second["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)
    assert Campaign.objects.count() == 1
    assert _draft(writer, {"Idempotency-Key": "another"}).status_code == 201
    assert Campaign.objects.count() == 2


@pytest.mark.parametrize(
    ("path", "in_steps"),
    [
        ("campaigns/12/release", True),
        ("campaigns/12/resume", True),
        ("templates", True),
        ("media", True),
        ("routes/12/resume", False),
        ("campaigns/12/templates", False),
        ("campaigns/12/release/", False),
        ("templates/12", False),
    ],
)
def test_only_what_takes_longer_than_a_transaction_is_done_in_steps(path: str, in_steps: bool) -> None:
    assert bool(idempotency.IN_STEPS.fullmatch(path)) is in_steps


def test_what_is_done_in_steps_are_operations_of_the_api() -> None:
    paths = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())["paths"]
    known = [path.removeprefix("/api/v1/").replace("{number}", "1") for path in paths]
    assert len([path for path in known if idempotency.IN_STEPS.fullmatch(path)]) == 6


def test_an_answer_without_a_body_comes_again_without_one(writer: Program) -> None:
    ada = audience.add_subscriber(
        writer.organization, "ada@reader.example", writer.lists["Letter"], consent="Yes.", now=NOW
    )
    body = {"email": "ada@reader.example"}
    answers = [writer.call("POST", "/subscribers/unsubscribe", body, **KEY) for _time in range(2)]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2
    assert ConsentRecord.objects.filter(subscriber=ada, kind=1).count() <= 1


def test_an_upsert_comes_again_as_it_was(writer: Program) -> None:
    body = {"email": "vera@reader.example", "list": writer.lists["Letter"].pk, "consent": "Ticked the box."}
    first = writer.ask("PUT", "/subscribers", body, **KEY)
    assert first[1]["result"] == "added"
    assert writer.ask("PUT", "/subscribers", body, **KEY) == first
    assert writer.ask("PUT", "/subscribers", body)[1]["result"] == "unchanged"


def test_another_request_with_the_same_key_is_refused(writer: Program) -> None:
    assert _draft(writer).status_code == 201
    refused = _draft(writer, subject="Other")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    other_path = writer.ask("POST", "/subscribers/unsubscribe", {"email": "a@b.example"}, **KEY)
    assert other_path[1]["code"] == "idempotency_key_reused"
    assert Campaign.objects.count() == 1


def test_the_key_of_another_program_is_another_one(writer: Program, bell: Program) -> None:
    assert _draft(writer).status_code == 201
    other = bell.bound(scopes=("campaigns:read", "campaigns:write"))
    other.lists["Letter"] = bell.lists["Bell"]
    assert _draft(other).status_code == 201
    assert _draft(writer.bound(scopes=("campaigns:write",))).json()["id"] != _draft(writer).json()["id"]


def test_an_error_changes_nothing_and_can_be_tried_again(writer: Program) -> None:
    assert _draft(writer, list=4711).status_code == 404
    assert not IdempotentRequest.objects.exists()
    assert _draft(writer).status_code == 201


def test_while_it_is_worked_on_the_second_one_waits(writer: Program) -> None:
    answers = []
    real = idempotency._first

    def meanwhile(mark: Any, answer: Any) -> Any:
        answers.append(_draft(writer))
        return real(mark, answer)

    with patch.object(idempotency, "_first", meanwhile):
        assert _draft(writer).status_code == 201
    assert (answers[0].status_code, answers[0].json()["code"], answers[0]["Retry-After"]) == (409, "in_progress", "1")
    assert Campaign.objects.count() == 1


def test_while_another_process_works_on_it_the_second_one_waits(writer: Program) -> None:
    with patch.object(api_requests, "try_lock", return_value=False):
        assert _draft(writer).json()["code"] == "in_progress"
    assert _draft(writer).status_code == 201


def test_a_kill_between_leaves_neither_the_request_nor_what_it_did(writer: Program) -> None:
    with patch.object(api_requests, "keep", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        _draft(writer)
    assert (Campaign.objects.count(), IdempotentRequest.objects.count()) == (0, 0)
    assert _draft(writer).status_code == 201


def test_nothing_readable_is_kept(writer: Program) -> None:
    body = {"fields": {}, "add_tags": ["volunteer"]}
    ada = audience.add_subscriber(
        writer.organization, "ada@reader.example", writer.lists["Letter"], consent="Yes.", now=NOW
    )
    answer = writer.ask("PATCH", f"/subscribers/{ada.number}", body, **KEY)
    assert answer[1]["email"] == "ada@reader.example"
    stored = repr(IdempotentRequest.objects.values().get())
    assert not [word for word in ("reader.example", "volunteer", KEY["Idempotency-Key"]) if word in stored]
    assert str(ada.number) not in stored
    assert writer.ask("PATCH", f"/subscribers/{ada.number}", body, **KEY) == answer


def test_answers_go_when_somebody_is_erased_and_nothing_is_done_twice(writer: Program) -> None:
    ada = audience.add_subscriber(
        writer.organization, "ada@reader.example", writer.lists["Letter"], consent="Yes.", now=NOW
    )
    assert _draft(writer).status_code == 201
    audience.erase(writer.organization, subscriber=ada, now=NOW)
    assert drop_answers in FOLLOW_UPS["subscriber.erased"]
    assert drop_answers in FOLLOW_UPS["subscribers.erased"]
    drop_answers(Event.objects.get(kind="subscriber.erased"), NOW)
    assert bytes(IdempotentRequest.objects.get().answer_sealed) == b""
    assert (_draft(writer).status_code, _draft(writer).json()["code"]) == (409, "answer_gone")
    assert Campaign.objects.count() == 1


def test_an_answer_of_another_row_is_not_given(writer: Program) -> None:
    assert _draft(writer).status_code == 201
    assert _draft(writer, {"Idempotency-Key": "two"}, subject="Two").status_code == 201
    one, two = IdempotentRequest.objects.order_by("pk")
    IdempotentRequest.objects.filter(pk=one.pk).update(mark=b"x" * 32)
    IdempotentRequest.objects.filter(pk=two.pk).update(mark=one.mark, digest=one.digest)
    assert _draft(writer).json()["code"] == "answer_gone"


def test_a_row_is_kept_for_a_day(writer: Program) -> None:
    assert _draft(writer).status_code == 201
    row = IdempotentRequest.objects.get()
    IdempotentRequest.objects.update(day=NOW.date())
    api_requests.forget(NOW + timedelta(days=1))
    assert IdempotentRequest.objects.filter(pk=row.pk).exists()
    api_requests.forget(NOW + timedelta(days=3))
    assert not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_none_is_refused(writer: Program, key: str) -> None:
    refused = _draft(writer, {"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_invalid")
    assert not Campaign.objects.exists()


def test_reading_needs_none_and_keeps_nothing(writer: Program) -> None:
    assert writer.ask("GET", "/campaigns", None, **KEY)[0] == 200
    assert writer.ask("POST", "/subscribers/lookup", {"email": "a@b.example"}, **KEY)[0] == 404
    assert not IdempotentRequest.objects.exists()


def test_without_a_working_key_nothing_is_kept(writer: Program) -> None:
    assert _draft(Program(writer.organization, writer.lists, "smz_" + "a" * 40)).status_code == 401
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        assert _draft(writer, body="x" * 1000).status_code == 413
    assert not IdempotentRequest.objects.exists()


def test_an_answer_again_counts_as_a_request(writer: Program) -> None:
    from samizdat.api import keys

    _draft(writer)
    with patch.object(keys, "AT_ONCE", 0):
        keys._buckets.clear()
        assert _draft(writer).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_two_processes_do_not_work_on_the_same_one(writer: Program) -> None:
    from django.db import connections, transaction

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    other = connections.create_connection("default")
    try:
        with transaction.atomic():
            assert api_requests.try_lock(b"mark" * 8)
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_try_advisory_xact_lock(%s, %s)",
                    [api_requests._KIND, int.from_bytes(b"mark") % 2**31],
                )
                assert cursor.fetchone()[0] is False
    finally:
        other.close()
    assert Subscriber.objects.count() == 0
