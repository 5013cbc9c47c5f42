"""Questions to other people's servers: whether a route takes mail, a record is published, a link leads anywhere.

Somebody at the desk asks, the worker goes and sees, and the page says what came of it. A server that answers nothing
holds a lane of the worker for a minute, and no page of anybody.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec import Struct

from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.campaigns.checks import broken_links
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.address import BadAddress
from samizdat.delivery import sending_gate
from samizdat.delivery.actions import domains, outside_tests
from samizdat.delivery.actions.routes import probe_route, probe_waiting, remove_route
from samizdat.delivery.actions.testing import send_probe, send_test
from samizdat.delivery.campaign_checks import look
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.models import RemoteCheck, Route, SendingDomain
from samizdat.vault import keyring

# Of one organization at a time.
MOST = 10
# After that nobody answers any more: the worker that began has ended, or none runs.
PATIENCE = timedelta(minutes=4)
KEPT = timedelta(hours=1)
# Kinds that not only admins may ask.
OF_WRITERS = ("links", "test", "sender")


type Answering = Callable[[RemoteCheck, dict[str, Any], datetime], dict[str, Any]]
_loaders: list[Callable[[], Mapping[str, Answering]]] = []


def register(load: Callable[[], Mapping[str, Answering]]) -> None:
    """By an app that has such questions, when Django starts; they are loaded when one is answered."""
    _loaders.append(load)


class TooMuchAsked(DeliveryError):
    """So much is being asked already."""

    code = "too_much_asked"


class _Asked(Struct, frozen=True):
    """words: what the answer needs to know, and the page that shows it; by the kind."""

    kind: str
    about: int
    by: int
    at: datetime
    words: dict[str, Any]


def ask(
    organization: Organization, kind: str, about: int, *, now: datetime, by: Person, **words: object
) -> RemoteCheck:
    """words: what the answer needs to know, and the page that shows it. Errors: TooMuchAsked."""
    open_ = RemoteCheck.objects.filter(organization=organization, done=None, asked__gt=now - PATIENCE)
    if open_.count() >= MOST:
        raise TooMuchAsked(_("Several servers are already being checked. Wait until they’ve answered, then try again."))
    with transaction.atomic():
        question = RemoteCheck.objects.create(
            organization=organization, by=by, kind=kind, about=about, asked_sealed=b"", asked=now
        )
        payload = _Asked(kind, about, question.by_id, now, words)
        question.asked_sealed = keyring.keys(organization).seal_json(payload, "question", "asked", question.pk)
        question.save(update_fields=["asked_sealed"])
    return question


def words_of(question: RemoteCheck) -> dict[str, Any]:
    return _asked(question).words


def _asked(question: RemoteCheck) -> _Asked:
    keys, sealed = keyring.keys(question.organization), bytes(question.asked_sealed)
    return keys.open_json(sealed, "question", "asked", question.pk, _Asked)


def answer_of(question: RemoteCheck) -> dict[str, Any]:
    """What came of it, by the kind; only of one that is done."""
    keys, sealed = keyring.keys(question.organization), bytes(question.answer_sealed)
    return keys.open_json(sealed, "question", "answer", question.pk, dict[str, Any])


def about_links(campaign: Campaign, now: datetime) -> tuple[bool, str]:
    """Whether the links of a campaign are being asked now; else why they could not be, which is told once."""
    rows = RemoteCheck.objects.select_related("organization").filter(kind="links", about=campaign.pk)
    newest = rows.filter(organization=campaign.organization).order_by("pk").last()
    if newest is None or is_lost(newest, now):
        return False, ""
    if newest.done is None:
        return True, ""
    refused = str(answer_of(newest).get("refused", ""))
    newest.delete()
    return False, refused


def is_lost(question: RemoteCheck, now: datetime) -> bool:
    """Whether no answer will come."""
    return question.done is None and now - question.asked > PATIENCE


def waiting() -> set[int]:
    """Organizations that wait for an answer which nobody looks for yet."""
    return set(RemoteCheck.objects.filter(began=None).values_list("organization", flat=True))


def answer_all(organization: int, now: Callable[[], datetime]) -> int:
    """Answers what this organization asks, one after the other; how many."""
    done = 0
    while question := RemoteCheck.objects.filter(organization=organization, began=None).order_by("pk").first():
        done += answer(question.pk, now())
    return done


def answer(number: int, now: datetime) -> bool:
    """Goes and sees. False where somebody else does, or nobody waits for it."""
    if not RemoteCheck.objects.filter(pk=number, began=None).update(began=now):
        return False
    question = RemoteCheck.objects.select_related("organization", "by").get(pk=number)
    if now - question.asked > PATIENCE or not _may_ask(question) or _went_out(question):
        return False  # Whoever asked has been told that no answer came, or of the one before, or is not here any more.
    with override(question.by.language or leading(question.organization).language):
        try:
            _insist_as_asked(question)
            result = _answering(question.kind)(question, words_of(question), now)
        except (DeliveryError, CampaignError, BadAddress) as refused:
            result = {"refused": _(str(refused))}
    sealed = keyring.keys(question.organization).seal_json(result, "question", "answer", number)
    return bool(RemoteCheck.objects.filter(pk=number).update(answer_sealed=sealed, done=now))


def _answering(kind: str) -> Answering:
    known = {name: answers for load in _loaders for name, answers in load().items()}
    return (KINDS | known)[kind]


def _may_ask(question: RemoteCheck) -> bool:
    """Still: a draft goes to no mailbox that somebody named who was removed since."""
    roles = WRITERS if question.kind in OF_WRITERS else ("admin",)
    return has_role(question.by, question.organization, roles)


def _went_out(question: RemoteCheck) -> bool:
    """Whether its test was sent once: a row that was put back fits its seal."""
    return question.kind == "test" and outside_tests.was_sent(question.organization, question.pk, question.asked)


def _insist_as_asked(question: RemoteCheck) -> None:
    """What a server says to a letter to somebody's own mailbox is believed of a route, so nobody else may be put into
    the row as the one who asked; and later the same test is of another draft. Errors: DeliveryError."""
    asked, facts = _asked(question), (question.kind, question.about, question.by_id, question.asked)
    if (asked.kind, asked.about, asked.by, asked.at) != facts:
        raise DeliveryError(_("This check was edited directly in the database. Start it again."))


def forget(now: datetime) -> None:
    """What nobody came back for."""
    RemoteCheck.objects.filter(asked__lt=now - KEPT).delete()


# --- what is asked ---


def _route_of(question: RemoteCheck) -> Route:
    rows = Route.objects.select_related("organization").filter(organization=question.organization)
    route = rows.filter(pk=question.about).exclude(state="removed").first()
    if route is None:
        raise DeliveryError(_("This route was deleted in the meantime."))
    return route


def _probe(question: RemoteCheck, words: Mapping[str, object], now: datetime) -> dict[str, object]:
    """Of the settings that are in force, or of those that wait for an approval. A route that was added a moment ago and
    leads inside the server's own network is removed again: it could never be used, and its name would be taken."""
    route = _route_of(question)
    if words.get("waiting"):
        return asdict(probe_waiting(route))
    tested = probe_route(route, now=now, by=question.by)
    if words.get("added") and tested.reason == "inside":
        remove_route(route, now=now, by=question.by)
    return asdict(tested)


def _letter(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, object]:
    return asdict(send_probe(_route_of(question), words["to"], now=now, by=question.by))


def _records(question: RemoteCheck, words: Mapping[str, object], now: datetime) -> dict[str, object]:
    rows = SendingDomain.objects.select_related("organization").filter(organization=question.organization)
    row = rows.filter(pk=question.about).first()
    if row is None:
        return {"records": []}
    looks = domains.look(row, now=now, by=question.by)
    records = [[lookup.key.selector, lookup.status] for lookup in looks]
    return {"records": records, **sending_gate.gathered(row.organization, [f"postmaster@{row.name}"], now)}


def _campaign_of(question: RemoteCheck, number: int) -> Campaign:
    rows = Campaign.objects.select_related("organization").filter(organization=question.organization, pk=number)
    campaign = rows.first()
    if campaign is None:
        raise CampaignError(_("This campaign no longer exists."))
    return campaign


def _links(question: RemoteCheck, words: Mapping[str, object], now: datetime) -> dict[str, object]:
    campaign = _campaign_of(question, question.about)
    if campaign.state == "draft":
        broken_links.ask(campaign, look(campaign, now).reading, now)
    return {}


def _test(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, object]:
    """Of each letter that is named, as its versions are, with the values of a subscriber where one was chosen."""
    reader = audience.subscriber_numbered(question.organization, words["reader"]) if words.get("reader") else None
    tried = []
    for number, version in words["letters"]:
        letter = _campaign_of(question, number)
        tried += send_test(
            letter, words["to"], now=now, by=question.by, subscriber=reader, version=version, asked=question.pk
        )
    return {"tried": [asdict(result) for result in tried]}


def _sender(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, object]:
    """Of whom a campaign is from, or of a sending domain (sender_checks.py)."""
    return sending_gate.gathered(question.organization, words["senders"], now)


KINDS: dict[str, Answering] = {
    "probe": _probe,
    "letter": _letter,
    "records": _records,
    "links": _links,
    "test": _test,
    "sender": _sender,
    "domain": _sender,
}
