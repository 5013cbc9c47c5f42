"""What anybody may say to the task engine over PostgreSQL's channels."""

import asyncio
import json
from typing import Any

import pytest

from samizdat.worker.queue import procrastinate_worker


@pytest.mark.parametrize("payload", ["not json", "", "[]", '{"type": "abort_job_requested", "job_id": 7}'])
def test_a_notice_of_the_public_process_neither_ends_the_task_engine_nor_a_task(
    payload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended on every word that was no JSON, and while a long task ran nothing new was taken."""
    procrastinate = pytest.importorskip("procrastinate")

    async def hear(_connector: Any, on_notification: Any, channels: Any) -> None:
        await on_notification(channel="c", payload=payload)

    monkeypatch.setattr(procrastinate.PsycopgConnector, "listen_notify", hear)
    monkeypatch.setattr("procrastinate.contrib.django.utils.connector_params", lambda _alias: {})
    heard = []

    async def hand_on(*, channel: str, payload: str) -> None:
        heard.append(json.loads(payload)["type"])

    asyncio.run(procrastinate_worker._connector().listen_notify(hand_on, ["c"]))
    assert heard == ["job_inserted"]
