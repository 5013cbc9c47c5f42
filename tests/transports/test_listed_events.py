"""What transports fetch from the lists that providers keep of bounces and complaints, and what dialects read there.

Answers as the providers' references show them:
https://postmarkapp.com/developer/api/bounce-api, https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events,
https://www.twilio.com/docs/sendgrid/api-reference/bounces-api, https://developers.brevo.com/reference/get-email-event-report
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat import plugins
from samizdat.transports.base import ListedPage, RouteDown
from samizdat.transports.http_api import PAGE
from samizdat.transports.webhooks import WebhookEvent, WebhookRequest
from tests.http_server import HANG_UP, Endless, Reply
from tests.transports.contract import FAKES, SECRET, FakeMailgun

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=2)
LISTING = {name: plug.lists_for for name, plug in plugins.transports().items() if plug.lists_for}
BORIS = "boris@reader.example"
UNKNOWN_USER = "550 5.1.1 User unknown"


def postmark(*entries: dict[str, Any]) -> Any:
    return {
        "TotalCount": len(entries),
        "Bounces": [{"Email": BORIS, "BouncedAt": "2026-11-25T11:00:00Z", **e} for e in entries],
    }


def mailgun(*entries: dict[str, Any], following: str = "") -> Any:
    items = [{"id": str(place), "recipient": BORIS, "timestamp": 1, **e} for place, e in enumerate(entries)]
    return {"items": items, "paging": {"next": following, "previous": ""}}


def brevo(*entries: dict[str, Any]) -> Any:
    return {"events": [{"email": BORIS, "date": "2026-11-25T11:00:00.000Z", **e} for e in entries]} if entries else {}


def sendgrid(*entries: dict[str, Any]) -> Any:
    return [{"created": 1764068400, "email": BORIS, **e} for e in entries]


HARD, SPAM, SOFT = ("hard", "user_unknown"), ("complaint", "abuse"), ("soft", "mailbox_full")
MEANINGS: list[tuple[str, str, Any, tuple[str, str]]] = [
    ("postmark", "bounces", postmark({"ID": 1, "Type": "HardBounce", "Details": f"smtp;{UNKNOWN_USER}"}), HARD),
    ("postmark", "bounces", postmark({"ID": 1, "Type": "SpamComplaint"}), SPAM),
    (
        "mailgun",
        "events",
        mailgun(
            {"event": "failed", "severity": "permanent", "delivery-status": {"code": 550, "message": UNKNOWN_USER}}
        ),
        HARD,
    ),
    ("mailgun", "events", mailgun({"event": "complained"}), SPAM),
    ("brevo", "hardBounces", brevo({"event": "hardBounces", "reason": UNKNOWN_USER}), HARD),
    ("brevo", "softBounces", brevo({"event": "softBounces", "reason": "452 4.2.2 Mailbox full"}), SOFT),
    ("brevo", "spam", brevo({"event": "spam"}), SPAM),
    ("sendgrid", "bounces", sendgrid({"reason": UNKNOWN_USER, "status": "5.1.1"}), HARD),
    ("sendgrid", "invalid_emails", sendgrid({"reason": "Mail domain mentioned in email address is unknown"}), HARD),
    ("sendgrid", "spam_reports", sendgrid({"ip": "192.0.2.1"}), SPAM),
]


@pytest.fixture(params=sorted(LISTING))
def fake(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[FakeMailgun]:
    with FAKES[request.param].open(tmp_path) as fake:
        yield fake


def listed(fake: FakeMailgun, *states: Any) -> list[ListedPage]:
    fake.server.states = list(states)
    settings = plugins.read_url("main", fake.url)
    return asyncio.run(plugins.transport(settings.scheme)(settings).events_since(SINCE, NOW))


def nothing(fake: FakeMailgun) -> Any:
    return {"postmark": postmark(), "mailgun": mailgun(), "brevo": brevo(), "sendgrid": sendgrid()}[LISTING[fake.name]]


def read(provider: str, name: str, answer: Any) -> tuple[WebhookEvent, ...]:
    return plugins.webhooks()[provider].events(
        WebhookRequest(Reply(200, answer).encoded().partition(b"\r\n\r\n")[2], listed=name)
    )


def test_four_providers_list_bounces_and_each_has_its_dialect() -> None:
    assert set(LISTING.values()) == {"brevo", "mailgun", "postmark", "sendgrid"}
    assert set(LISTING.values()) <= plugins.webhooks().keys()


@pytest.mark.parametrize(("provider", "name", "answer", "meaning"), MEANINGS)
def test_an_entry_means_what_a_delivery_would(provider: str, name: str, answer: Any, meaning: tuple[str, str]) -> None:
    [event] = read(provider, name, answer)
    assert event.recipient == BORIS and event.moment
    assert (event.report.kind, event.report.reason) == meaning


def test_opens_and_clicks_are_asked_for_nowhere_and_skipped(fake: FakeMailgun) -> None:
    listed(fake, Reply(200, nothing(fake)))
    assert fake.server.asked and not any(word in path for path in fake.server.asked for word in ("open", "click"))
    assert read("mailgun", "events", mailgun({"event": "opened"}, {"event": "clicked"})) == ()


def test_an_empty_list_is_one_page_and_lets_in_by_the_key_of_the_route(fake: FakeMailgun) -> None:
    pages = listed(fake, Reply(200, nothing(fake)))
    assert len(pages) == len({page.list for page in pages}) == len(fake.server.asked)
    assert all(SECRET not in path for path in fake.server.asked)
    for page in pages:
        assert plugins.webhooks()[LISTING[fake.name]].events(WebhookRequest(page.body, listed=page.list)) == ()


def test_a_full_page_is_followed_by_the_next(fake: FakeMailgun) -> None:
    provider = LISTING[fake.name]
    entries = [{"ID": number, "id": str(number), "event": "failed"} for number in range(PAGE)]
    following = f"{fake.server.endpoint}/v3/lantern.example/events/WzMse"
    full = mailgun(*entries, following=following) if provider == "mailgun" else globals()[provider](*entries)
    pages = listed(fake, Reply(200, full), Reply(200, nothing(fake)))
    first, second = fake.server.asked[:2]
    assert pages[0].list == pages[1].list
    assert second == (
        first.replace("offset=0", f"offset={PAGE}") if provider != "mailgun" else "/v3/lantern.example/events/WzMse"
    )


def test_the_next_page_of_mailgun_is_asked_for_at_mailgun_alone(tmp_path: Any) -> None:
    with FAKES["mailgun"].open(tmp_path) as fake:
        for odd in (
            "https://elsewhere.example/steal",
            "/v3/other.example/events/a",
            "/v3/lantern.example/events/a b",
            5,
        ):
            fake.server.asked.clear()
            listed(fake, Reply(200, mailgun({"event": "failed"}, following=odd)))  # type: ignore[arg-type]
            assert len(fake.server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(401, {"message": f"Forbidden {SECRET}"}), "not_authorised"),
        (Reply(403, {}), "not_authorised"),
        (Reply(503, b""), "bad_answer"),
        (Reply(200, b"<html>"), "bad_answer"),
        (Reply(302, b"", {"Location": "https://elsewhere.example/"}), "bad_answer"),
        (Endless(200), "endless_answer"),
        (HANG_UP, "hung_up"),
    ],
)
def test_an_answer_that_is_no_list_is_a_fault_without_the_key(fake: FakeMailgun, answer: Any, reason: str) -> None:
    with pytest.raises(RouteDown) as down:
        listed(fake, answer)
    assert down.value.verdict.reason == reason
    assert SECRET not in str(down.value)


def test_a_page_of_many_long_entries_is_read_whole(fake: FakeMailgun) -> None:
    provider = LISTING[fake.name]
    entries = [{"ID": number, "Details": "x" * 2_000, "reason": "x" * 2_000} for number in range(PAGE - 1)]
    assert len(listed(fake, Reply(200, globals()[provider](*entries)))[0].body) > 150_000


def test_the_times_of_postmark_are_those_of_its_office(tmp_path: Any) -> None:
    with FAKES["postmark-api"].open(tmp_path) as fake:
        listed(fake, Reply(200, postmark()))
        assert "fromdate=2026-11-25T05:00:00&" in fake.server.asked[0]
        assert "messagestream=broadcast&" in fake.server.asked[0]
