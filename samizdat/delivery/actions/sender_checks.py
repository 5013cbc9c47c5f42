"""What DNS says of a sender, asked by the worker and kept for some minutes: nobody who looks at a page or presses Send
waits for name servers. Kept are their answers, not what follows from them: a route or a key that is changed meanwhile
counts at once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.delivery.sending_gate import KeptAnswers, kept_answers

# Kinds of remote checks: whom a campaign is from, a sending domain, and that with the keys' own records.
CAMPAIGN, DOMAIN, KEYS = "sender", "domain", "records"
# DNS hardly changes within it, and who publishes a record presses Check.
FRESH = timedelta(minutes=10)


def ask(
    organization: Organization, kind: str, about: int, senders: Iterable[str], *, now: datetime, by: Person, then: str
) -> RemoteCheck:
    """Has the worker ask, where it doesn't already. then: the page that shows the answer. Errors: TooMuchAsked."""
    newest = _newest(organization, kind, about)
    if newest and _state(newest, now) == "asking":
        return newest
    return remote_checks.ask(organization, kind, about, now=now, by=by, then=then, senders=[*dict.fromkeys(senders)])


def state(organization: Organization, kind: str, about: int, now: datetime) -> str:
    """asking, lost (no worker answers) or "": of the last check."""
    newest = _newest(organization, kind, about)
    return _state(newest, now) if newest else ""


def _newest(organization: Organization, kind: str, about: int) -> RemoteCheck | None:
    return RemoteCheck.objects.filter(organization=organization, kind=kind, about=about).order_by("pk").last()


def _state(newest: RemoteCheck, now: datetime) -> str:
    if newest.done is not None:
        return ""
    return "lost" if remote_checks.is_lost(newest, now) else "asking"


def kept(organization: Organization, now: datetime) -> KeptAnswers | None:
    """Of all senders that were asked about lately; None where none was."""
    rows = RemoteCheck.objects.select_related("organization").filter(
        organization=organization, kind__in=(CAMPAIGN, DOMAIN, KEYS), done__gt=now - FRESH
    )
    documents = [document for row in rows.order_by("pk") if (document := _answer(row)) and _is_fresh(document, now)]
    return kept_answers(*documents) if documents else None


def _is_fresh(document: dict[str, Any], now: datetime) -> bool:
    return abs(now - datetime.fromisoformat(document["at"])) < FRESH


def _answer(row: RemoteCheck) -> dict[str, Any] | None:
    """None for one that was refused, or altered in the database."""
    try:
        answer = remote_checks.answer_of(row)
    except SealError:
        return None
    return answer if "answers" in answer else None
