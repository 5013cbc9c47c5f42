"""How mailboxes are, in words: for the page of incoming email."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.totals import is_few
from samizdat.delivery.actions.route_webhooks import WebhookView
from samizdat.delivery.models import Route
from samizdat.incoming.mailboxes.actions import MailboxRow
from samizdat.incoming.mailboxes.faults import sentence
from samizdat.incoming.mailboxes.sealed import MailboxState, RoundTrip
from samizdat.incoming.queries import HeardMail
from samizdat.incoming.seeds.mailboxes import SeedRow


@dataclass(frozen=True, slots=True)
class ShownMailbox:
    """state and trip_state: a class of the stylesheet. problem: what is wrong and what to do. paused: as in its
    settings; hint: what that means."""

    number: int
    name: str
    host: str
    folder: str
    move_to: str
    heard: datetime | None
    taken: int
    state: str
    word: str
    problem: str
    trip_state: str
    trip: str
    address: str
    waits: bool
    paused: str = ""
    hint: str = ""


def shown(row: MailboxRow, now: datetime) -> ShownMailbox:
    settings, state = row.settings, row.state
    if settings is None or state is None:
        problem = _("Its settings can’t be decrypted. Remove it and add it again.")
        return ShownMailbox(row.number, row.name, "", "", "", None, 0, "stop", _("Problem"), problem, "", "", "", False)
    state_class, word = ("care", _("Paused")) if settings.paused else _state(state)
    trip_class, trip = trip_words(state, now) if state.trip else ("", "")
    folder = settings.folder if settings.kind.protocol == "imap" else ""
    return ShownMailbox(
        row.number,
        row.name,
        f"{settings.kind.protocol.upper()}, {settings.host}",
        folder,
        settings.move_to,
        state.heard,
        state.taken,
        state_class,
        word,
        sentence(state.fault) if state.fault and not settings.paused else "",
        trip_class,
        trip,
        state.trip.address if state.trip else "",
        state.awaits(now) and not state.fault,
        settings.paused,
        _paused(settings.paused),
    )


def _paused(by: str) -> str:
    if by == "export":
        return _(
            "It came with an export and isn’t read, because two servers must not read one mailbox. Once the former "
            "server no longer reads it, test and resume it."
        )
    return _("What comes in waits in the mailbox, unread, until you resume it.") if by else ""


def _state(state: MailboxState) -> tuple[str, str]:
    if state.fault:
        return "stop", _("Not working")
    return ("good", _("Working")) if state.heard else ("work", _("Not read yet"))


def trip_words(state: MailboxState, now: datetime) -> tuple[str, str]:
    """A class of the stylesheet, and what became of the last test message."""
    trip = state.trip
    assert trip is not None
    facts = {"address": trip.address}
    if trip.failed:
        return "stop", _("The test message was not sent: %(why)s") % {"why": trip.failed}
    if trip.returned:
        return "good", _("A test message came back after %(span)s.") % {"span": _span(trip)}
    if trip.rejected:
        return "stop", _rejected(trip)
    if trip.is_open(now):
        seconds = {"seconds": max(int((now - trip.sent).total_seconds()), 0)}
        return "work", _("A test message is on its way to %(address)s: %(seconds)s s.") % (facts | seconds)
    return "stop", _late(trip)


def _span(trip: RoundTrip) -> str:
    assert trip.returned is not None
    seconds = max(int((trip.returned - trip.sent).total_seconds()), 0)
    if seconds < 120:
        return _("%(n)s s") % {"n": seconds}
    return _("%(n)s min") % {"n": seconds // 60}


def _rejected(trip: RoundTrip) -> str:
    if trip.address.startswith("@"):
        return _(
            "The test message bounced: not all email to %(address)s is delivered. Set up a catch-all at your provider, "
            "then test again."
        ) % {"address": trip.address}
    return _(
        "The test message bounced: addresses with a plus, such as %(example)s, aren’t delivered. Turn on plus "
        "addresses at your provider, or use a domain of its own as a catch-all. Then test again."
    ) % {"example": _example(trip.address)}


def _late(trip: RoundTrip) -> str:
    if trip.address.startswith("@"):
        return _(
            "The test message didn’t arrive within 10 minutes. Check that all email to %(address)s comes to this "
            "mailbox and folder, and look into its spam folder. Then test again."
        ) % {"address": trip.address}
    return _(
        "The test message didn’t arrive within 10 minutes. Check that addresses with a plus, such as %(example)s, "
        "come to this mailbox and folder, and look into its spam folder. Then test again."
    ) % {"example": _example(trip.address)}


def _example(address: str) -> str:
    local, _at, domain = address.rpartition("@")
    return f"{local}+code@{domain}"


# By a word of core/bounce/report.KINDS.
_KINDS = (
    ("hard", lazy("Bounced later: address doesn’t exist")),
    ("soft", lazy("Bounced later: mailbox full or unavailable")),
    ("complaint", lazy("Complaints")),
    ("unsubscribe", lazy("Requests to unsubscribe")),
    ("reply", lazy("Replies")),
    ("auto-reply", lazy("Automatic replies")),
    ("none", lazy("Receipts, reports and the like")),
)
# Of these a small number might name people.
_OF_FEW = ("complaint", "reply")


@dataclass(frozen=True, slots=True)
class CameIn:
    """How often something came in."""

    word: str
    count: int
    is_few: bool = False


def came_in(heard: HeardMail) -> list[CameIn]:
    """By mail or webhook; without what never did."""
    counts = [(kind, word, heard.by_kind.get(kind, 0)) for kind, word in _KINDS]
    rows = [CameIn(str(word), count, kind in _OF_FEW and is_few(count)) for kind, word, count in counts if count]
    return [*rows, CameIn(_("Waiting to be read"), heard.waiting)] if heard.waiting else rows


@dataclass(frozen=True, slots=True)
class ShownSeed:
    """A seed mailbox. state: a class of the stylesheet. problem: what is wrong and what to do."""

    number: int
    name: str
    address: str
    host: str
    state: str
    word: str
    problem: str


def shown_seed(row: SeedRow) -> ShownSeed:
    if row.settings is None:
        problem = _("Its settings can’t be decrypted. Remove it and add it again.")
        return ShownSeed(row.number, row.name, "", "", "stop", _("Problem"), problem)
    state, word = ("stop", _("Not working")) if row.fault else ("good", _("Working"))
    host = f"{row.settings.mailbox.kind.protocol.upper()}, {row.settings.mailbox.host}"
    return ShownSeed(
        row.number, row.name, row.settings.address, host, state, word, sentence(row.fault) if row.fault else ""
    )


def tried_seed(answer: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a test message arrived in the inbox, and the sentence for it; answer: of seeds/seed_checks."""
    if answer.get("unsent"):
        return False, _("%(name)s: we can log in. The test message was not sent: %(unsent)s") % answer
    match answer["place"]:
        case "inbox":
            return True, _("%(name)s: we can log in. A test message sent by %(route)s is in the inbox.") % answer
        case "spam":
            return False, _("%(name)s: we can log in. A test message sent by %(route)s is in the spam folder.") % answer
    return False, _(
        "%(name)s: we can log in. A test message sent by %(route)s hasn’t arrived yet. Look into the mailbox in a few "
        "minutes, or test again."
    ) % answer


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    """Of a route. state: a class of the stylesheet."""

    route: int
    name: str
    state: str
    words: str


def webhooks(rows: list[tuple[Route, WebhookView | None]]) -> list[ShownWebhook]:
    return [ShownWebhook(route.pk, route.name, *_webhook(view)) for route, view in rows]


def _webhook(view: WebhookView | None) -> tuple[str, str]:
    if view is None:
        return "none", _("Not set up")
    state = view.state
    if view.secret_label and not view.has_secret and not view.fetches:
        return "care", _("Its secret is missing")
    if state is None or not (state.heard or state.refusal):
        return "work", _("Nothing has come in yet")
    if state.is_refused:
        return "care", _("The last delivery changed nothing")
    return "good", _("Working")


def bounce_address(kept: str, rows: list[ShownMailbox], pending: str) -> tuple[str, str]:
    """A class of the stylesheet, and what goes for the organization's bounce address. pending: the one that waits for
    an approval; ""."""
    if not kept and pending:
        words = _("Until bounces go to %(address)s, they go to the sender address of each campaign.")
        return "care", words % {"address": pending}
    if not kept:
        return "care", _("No bounce address is set. Bounces go to the sender address of each campaign.")
    facts = {"address": kept}
    proven = any(row.address == kept and row.trip_state == "good" for row in rows)
    if kept.startswith("@"):
        words = _("Bounces go to %(address)s: each email has a signed address at this domain (catch-all).")
    else:
        words = _("Bounces go to %(address)s: each email has a signed address with a plus.")
    return ("good" if proven else "none"), words % facts
