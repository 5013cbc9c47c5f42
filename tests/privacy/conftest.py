"""A list with Ada on it, and letters that were sent and are over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NOW

LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def letter(lantern: Any) -> Any:
    """The Thursday Letter, a list with nobody on it."""
    from samizdat.audience.actions import new_list

    return new_list(lantern, "The Thursday Letter", now=LONG_AGO)


@pytest.fixture
def ada(lantern: Any, letter: Any) -> Any:
    from samizdat.audience.actions import add_subscriber

    values = {"FNAME": "Ada"}
    return add_subscriber(
        lantern, "ada@post.example", letter, consent="Said so.", values=values, tags=["fair"], now=LONG_AGO
    )


def people(organization: Any, list_: Any, count: int, at: datetime = LONG_AGO, name: str = "reader") -> list[Any]:
    from samizdat.audience.actions import add_subscriber

    return [
        add_subscriber(organization, f"{name}{n}@post.example", list_, consent="Said so.", now=at) for n in range(count)
    ]


@pytest.fixture
def sent(lantern: Any, tmp_path: Any) -> Callable[..., Any]:
    """sent(list, at=LONG_AGO, refused=0, unsure=0): a letter to everybody on a list whose answers are all booked."""
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.core.mail.ledger import JournalNews, unpack_numbers
    from samizdat.delivery import actions as delivery
    from samizdat.delivery.engine.results import SendResult, write
    from samizdat.delivery.models import Chunk

    route = delivery.add_route(lantern, "own-server", f"folder://{tmp_path}", now=NOW)

    def send(list_: Any, at: datetime = LONG_AGO, refused: int = 0, unsure: int = 0) -> Any:
        draft = Draft(subject="The winter list", from_email="letter@lantern.example", body="The water came at four.")
        campaign = delivery.release(create(lantern, list_, draft, by=None, now=at), now=at)
        news = [JournalNews.REFUSED] * refused + [JournalNews.UNSURE] * unsure
        for chunk in Chunk.objects.filter(edition__campaign=campaign):
            for number in unpack_numbers(bytes(chunk.numbers)):
                what = news.pop() if news else JournalNews.ACCEPTED
                held = what is JournalNews.UNSURE
                write([SendResult(chunk.edition_id, chunk.pk, number, what, route=route.pk, held=held)], at)
            Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.DONE)
        delivery.finish_if_done(campaign.pk, at)
        campaign.refresh_from_db()
        assert campaign.state == "finished"
        return campaign

    return send
