"""What transports by a provider's web interface make of its answers: JSON with a `message`, and an `id` of what was
taken. A provider that says it otherwise overrides `words_of` or `id_of`."""

import json
from dataclasses import replace
from typing import Any

from samizdat.core.mail.outcome import OK, Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure, judge, scrub
from samizdat.transports import base
from samizdat.transports.base import reply_text
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.http import Endpoint, HttpReply, seconds_asked

# Seconds that a route rests whose answers cannot be read.
UNREADABLE = 300


class HttpApi(base.Transport):
    """place: where its interface answers."""

    place: Endpoint

    def read(self, answer: HttpReply, recipient: str) -> tuple[Outcome, RouteVerdict]:
        """What an answer means. Raises Lost for a yes that was cut off."""
        payload = document(answer)
        text = self.clean(self.words_of(payload, answer), recipient)
        if 200 <= answer.status < 300:
            return self.read_yes(answer, payload, text)
        outcome, verdict = judge("http", answer.status, text)
        if verdict.reason == "bad_answer":  # 3xx: the key goes to nobody else
            verdict = RouteVerdict("throttled", "bad_answer", {}, UNREADABLE)
        wait = seconds_asked(answer, text)
        if wait is not None and isinstance(outcome, Deferred):
            outcome = replace(outcome, wait=wait)
            verdict = replace(verdict, wait=wait) if verdict.state == "throttled" else verdict
        if isinstance(outcome, Refused) and outcome.scope == "recipient" and not recipient.isascii():
            outcome = replace(outcome, scope="message", answer="utf8")
        return outcome, replace(verdict, values={"host": self.place.name, "answer": reply_text(answer.status, text)})

    def read_yes(self, answer: HttpReply, payload: object, text: str) -> tuple[Outcome, RouteVerdict]:
        """A yes names the letter. What begins like one and does not may be one all the same: unsure, the route rests.

        Deferred would be a guess: if it is their new way of saying yes, everybody would get each letter many times.
        """
        if self.id_of(payload):
            return Accepted(200), OK
        values = {"host": self.place.name, "answer": reply_text(answer.status, text)}
        if not answer.whole and not answer.is_page:
            raise ConnectionLost("its answer was cut off", RouteVerdict("throttled", "bad_answer", values, UNREADABLE))
        reason = "web_page" if answer.is_page else "bad_answer"
        return Unsure("an answer that makes no sense"), RouteVerdict("throttled", reason, values, UNREADABLE)

    def clean(self, text: str, recipient: str) -> str:
        """For books and sentences: without the key, should somebody send it back, and without their address."""
        return scrub(text.replace(self.route.password, "…"), recipient)

    def words_of(self, payload: Any, answer: HttpReply) -> str:
        """What the answer says: its `message`, or all of it when that stands elsewhere in this version."""
        message = payload.get("message") if isinstance(payload, dict) else None
        return message if isinstance(message, str) and message else answer.text

    def id_of(self, payload: Any) -> str:
        """By which the provider names what it took; "": it says none."""
        number = payload.get("id") if isinstance(payload, dict) else None
        return number if isinstance(number, str) else ""


def document(answer: HttpReply) -> Any:
    """The body as JSON; None when it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
