"""The send engine: claims chunks, makes messages out, talks to routes, and writes down what came back."""

from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any


def run_sender(stop: Event, **surroundings: Any) -> None:
    from samizdat.delivery.engine.sender import run_sender as run

    run(stop, **surroundings)


def run_campaign(
    campaign_id: int,
    wait_limit: float | None = None,
    stop: Event | None = None,
    take_up: Callable[[datetime], int] | None = None,
) -> dict[str, Any]:
    from samizdat.delivery.engine.sender import run_campaign as run

    return run(campaign_id, wait_limit, stop, take_up)
