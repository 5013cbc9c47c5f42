"""Codes of the house in words: a shape and a word for every state, a sentence for every reason.

Shapes are those of the stylesheet: good, work, care, stop, none, and "" for plainly waiting.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from samizdat import formatting
from samizdat.accounts.models import PendingChange
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import address, outcome, refusals
from samizdat.delivery import queries
from samizdat.delivery.actions.rate_budgets import RateUsed
from samizdat.delivery.actions.routes import RouteChange, RouteTest
from samizdat.delivery.actions.testing import TestResult
from samizdat.delivery.dkim_keys import DomainRow
from samizdat.delivery.queries import BarRow, RefusalRow, RouteRow
from samizdat.events.kinds import SENTENCES, EventKind

Word = str | Promise


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A line of an addition."""

    word: str
    count: int
    note: str = ""
    minus: bool = False
    red: bool = False


CAMPAIGN_STATES: dict[str, tuple[str, Word]] = {
    "draft": ("none", pgettext_lazy("campaign", "Draft")),
    "scheduled": ("", pgettext_lazy("campaign", "Scheduled")),
    "held": ("", pgettext_lazy("campaign", "Held before it goes")),
    "sending": ("work", pgettext_lazy("campaign", "Going out")),
    "on_hold": ("stop", pgettext_lazy("campaign", "On hold")),
    "paused": ("care", pgettext_lazy("campaign", "Paused")),
    "waiting": ("stop", pgettext_lazy("campaign", "Waiting for a route")),
    # It goes on by itself: quiet hours, a first wave, a limit that is used up.
    "waits": ("", pgettext_lazy("campaign", "Waiting")),
    "provider": ("stop", pgettext_lazy("campaign", "Waiting: refused by a mailbox provider")),
    "finished": ("good", pgettext_lazy("campaign", "Finished")),
    "cancelled": ("none", pgettext_lazy("campaign", "Stopped for good")),
    # Cancelled before anybody got it.
    "taken_back": ("none", pgettext_lazy("campaign", "Taken back")),
}

SUBSCRIPTION_STATES: dict[str, tuple[str, Word]] = {
    "pending": ("work", pgettext_lazy("subscription", "Pending")),
    "subscribed": ("good", pgettext_lazy("subscription", "Subscribed")),
    "unsubscribed": ("none", pgettext_lazy("subscription", "Unsubscribed")),
    "cleaned": ("stop", pgettext_lazy("subscription", "Cleaned")),
    "nonsubscribed": ("none", pgettext_lazy("subscription", "Never agreed")),
}

ROUTE_STATES: dict[str, tuple[str, Word]] = {
    "live": ("good", pgettext_lazy("route", "Well")),
    # It lives again after it was condemned, and has taken nothing yet.
    "again": ("work", pgettext_lazy("route", "Tried again")),
    "paused": ("", pgettext_lazy("route", "Paused")),
    "waiting": ("care", pgettext_lazy("route", "Waits for approval")),
    "throttled": ("care", pgettext_lazy("route", "Slowed down")),
    "dead": ("stop", pgettext_lazy("route", "Resting")),
    "removed": ("none", pgettext_lazy("route", "Removed")),
}

KEY_STATES: dict[str, tuple[str, Word]] = {
    "new": ("", pgettext_lazy("signing key", "New")),
    "published": ("work", pgettext_lazy("signing key", "Published")),
    "active": ("good", pgettext_lazy("signing key", "Signs")),
    "retiring": ("none", pgettext_lazy("signing key", "Gives way")),
    "retired": ("none", pgettext_lazy("signing key", "Retired")),
}

# What is to be done about the record of a signing key, by its state.
KEY_ADVICE: dict[str, Word] = {
    "new": lazy(
        "Lets the other side prove that a letter is yours. Add it at your DNS provider; nobody has seen it yet."
    ),
    "published": lazy("The record is there. Nothing is signed with it before you activate it."),
    "active": lazy("Letters are signed with it. Leave the record where it is."),
    "retiring": lazy("Another key signs now. Letters on their way need this record until %(until)s; then it may go."),
    "retired": lazy("It never signs again. Its record may go."),
    "altered": lazy(
        "It was changed in the database by other means, so it does not sign and no record is shown. Retire it, and add "
        "another one."
    ),
}

KEY_KINDS: dict[str, str] = {"ed25519": "Ed25519", "rsa": "RSA"}

# What name servers said about the record of a signing key: delivery.actions.domains.Look.
RECORDS_FOUND: dict[str, Word] = {
    "right": lazy("%(selector)s: its record is there."),
    "other": lazy("%(selector)s: another record stands under its name. Publish the one that is shown here."),
    "revoked": lazy("%(selector)s: its record is there but empty, which says that it is revoked. Publish it anew."),
    "missing": lazy("%(selector)s: its record is not there yet. DNS can take an hour."),
    "silent": lazy("%(selector)s: no name server answered. Look at the line and press Check again."),
}

IMPORT_STATES: dict[str, tuple[str, Word]] = {
    "uploading": ("work", pgettext_lazy("import", "Being uploaded")),
    "found": ("none", pgettext_lazy("import", "Read, nothing changed yet")),
    "held": ("care", pgettext_lazy("import", "Waits for approval")),
    "waiting": ("", pgettext_lazy("import", "Waiting to begin")),
    "running": ("work", pgettext_lazy("import", "Under way")),
    "stopped": ("care", pgettext_lazy("import", "Stopped")),
    "finished": ("good", pgettext_lazy("import", "Done")),
    "failed": ("stop", pgettext_lazy("import", "Failed")),
}

ROLES: dict[str, Word] = {
    "admin": pgettext_lazy("role", "admin"),
    "editor": pgettext_lazy("role", "editor"),
    "viewer": pgettext_lazy("role", "viewer"),
}

PROVIDERS: dict[str, Word] = {"other": pgettext_lazy("mailbox provider", "other"), **refusals.NAMES}

# The answer of consent.may, with the day of the fact behind it.
VERDICTS: dict[str, Word] = {
    "given": lazy("She agreed on %(day)s and has not withdrawn it."),
    "confirmed": lazy("She confirmed on %(day)s and has not withdrawn it."),
    "returned": lazy("She agreed, left, and came back on %(day)s."),
    "not_asked_yet": lazy("Nobody has looked at her records yet."),
    "never_agreed": lazy("No consent to its letters is on record."),
    "not_confirmed": lazy("She signed up on %(day)s and has not confirmed it."),
    "left": lazy("She left on %(day)s."),
    "objected": lazy("She objected on %(day)s."),
    "cleaned": lazy("Her address was found dead on %(day)s."),
    "paused": lazy("She agreed, and asked for no letters until %(day)s."),
    "suppressed:bounce": lazy("Mail to this address came back for good."),
    "suppressed:complaint": lazy("She reported a letter as spam."),
    "suppressed:erased": lazy("Her data was erased."),
    "suppressed:manual": lazy("Somebody here put her address on the stop list."),
    "suppressed:objected": lazy("She objected to all mail from here."),
}

PURPOSES: dict[str, Word] = {"newsletter": lazy("letters"), "fundraising": lazy("appeals for money")}

# How much a yes is worth, and how old it is (core/consent).
STRENGTHS: dict[str, Word] = {
    "confirmed": lazy("confirmed here"),
    "elsewhere": lazy("confirmed elsewhere, says a file"),
    "written": lazy("written down by somebody"),
    "brought": lazy("only brought in by a file"),
}
AGES: dict[str, Word] = {
    "one": lazy("younger than a year"),
    "two": lazy("one to two years old"),
    "old": lazy("older than two years"),
    "unknown": lazy("nobody knows how old"),
}

# Reasons that the house writes down itself; every other is in somebody's own words.
LEAVING_REASONS: dict[str, Word] = {
    "no_answer": lazy("She was asked again and did not answer."),
    "moved": lazy("Her letters go to another mailbox of hers."),
    "moved_back": lazy("She was moved here at the desk, and moved back."),
}

CONSENT_KINDS: dict[str, Word] = {
    "asked": lazy("Signed up for “%(list)s”, to be confirmed"),
    "given": lazy("Agreed to “%(list)s”"),
    "confirmed": lazy("Confirmed “%(list)s”"),
    "withdrawn": lazy("Left “%(list)s”"),
    "objected": lazy("Objected to “%(list)s”"),
    "cleaned": lazy("Address found dead, “%(list)s”"),
    "returned": lazy("Came back to “%(list)s”"),
    "undone": lazy("Move to “%(list)s” undone"),
}

CONSENT_WAYS: dict[str, Word] = {
    "import": lazy("Brought in from a file."),
    "form": lazy("By a sign-up form."),
    "desk": lazy("Written down at the desk."),
    "api": lazy("By a program."),
    "mail": lazy("By a letter of hers."),
    "one-click": lazy("By the unsubscribe button of her mail programme."),
    "bounce": lazy("The mailbox said so."),
}

# The stored ways are few: a button on the leave page is kept as "form", and what takes a leaving back as "one-click".
LEAVE_PAGE_WAYS: dict[tuple[str, str], Word] = {
    ("withdrawn", "form"): lazy("On the leave page."),
    ("returned", "form"): lazy("On the leave page."),
    ("returned", "one-click"): lazy("On the leave page."),
}

BOOKS: tuple[tuple[str, Word, Word], ...] = (
    ("accepted", pgettext_lazy("books", "accepted"), lazy("the next server took it; that is all anyone knows")),
    ("refused", pgettext_lazy("books", "refused"), lazy("a clear no for this address")),
    ("unsure", pgettext_lazy("books", "unsure"), lazy("the answer was lost on the way")),
    ("suppressed", pgettext_lazy("books", "suppressed since"), lazy("left or bounced after release, not written to")),
    ("cancelled", pgettext_lazy("books", "cancelled"), lazy("stopped before it was their turn")),
    ("deferred", pgettext_lazy("books", "deferred"), lazy("put off by their server and tried again")),
    ("pending", pgettext_lazy("books", "pending"), lazy("still to be sent")),
)

# Why a campaign is paused or waiting.
CAMPAIGN_REASONS: dict[str, Word] = {
    "person": lazy("Somebody here paused it."),
    "late": lazy("Its time passed while nothing was running. Nothing leaves until you resume it."),
    "fenced": lazy(
        "This installation was copied, restored or moved to another place. No campaign is sent until an admin "
        "releases it."
    ),
    "unreadable": lazy(
        "It cannot be opened: its keys are missing, another version wrote it, or it was altered in the database. "
        "An admin has to look."
    ),
    "no_route": lazy("No route lives. Mend or add one under Routes; it goes on by itself then."),
    "barred": lazy("No route takes letters from its domain."),
    "provider": lazy("A mailbox provider refuses our emails."),
    "untaken": lazy(
        "Unsubscribes that came in have not been processed yet. It goes on by itself once they are. If this lasts, an "
        "admin should run samizdat doctor on the server."
    ),
    "quiet": lazy("These are quiet hours. It goes on by itself: %(until)s."),
    "wave": lazy("The first wave is out. The rest follows by itself: %(until)s. Look at the answers until then."),
    "test": lazy("Its versions are being tested. The rest gets the one that wins: %(until)s."),
    "test_hand": lazy("Its versions are tested, and the rest waits. Decide in the report which one wins."),
    "limit": lazy("Every route has sent as much as its limit allows. It goes on by itself: %(until)s."),
    "warm_up": lazy("The route is being warmed up and has sent its share of today. It goes on by itself: %(until)s."),
    "refusals": lazy("Too many of the first wave were refused, so the rest was kept back. Resume lets it go."),
}
# Reasons to wait for which nothing is broken: they end by themselves at a known time, or a person decides.
PASSING = ("quiet", "wave", "test", "test_hand", "limit", "warm_up")

# Shapes of what happened to a campaign, for its timeline.
_SHAPES: dict[EventKind, str] = {
    "campaign.created": "",
    "campaign.tested": "",
    "campaign.test_refused": "care",
    "campaign.approval_asked": "",
    "campaign.approved": "",
    "campaign.check_accepted": "",
    "campaign.corrected": "",
    "campaign.archive_listed": "",
    "campaign.archive_unlisted": "",
    "campaign.resent": "",
    "campaign.date_planned": "",
    "campaign.test_planned": "",
    "campaign.language_added": "",
    "campaign.language_removed": "",
    "campaign.test_cancelled": "",
    "campaign.test_decided": "",
    "campaign.replies_counted": "",
    "campaign.shared": "",
    "campaign.share_withdrawn": "",
    "campaign.share_feedback": "",
    "campaign.released": "",
    "campaign.started": "now",
    "campaign.first_sent": "now",
    "installation.fenced": "stop",
    "installation.rewound": "stop",
    "installation.released": "good",
    "campaign.start_missed": "stop",
    "campaign.paused": "stop",
    "campaign.resumed": "",
    "campaign.waits": "stop",
    "campaign.wait_over": "",
    "campaign.provider_blocks": "stop",
    "campaign.provider_retried": "",
    "campaign.wave_sent": "",
    "campaign.wave_stopped": "stop",
    "campaign.wave_passed": "",
    "campaign.unreadable": "stop",
    "campaign.unsure": "stop",
    "campaign.unsure_held": "stop",
    "campaign.unsure_policy_chosen": "",
    "campaign.unsure_settled": "",
    "campaign.unsure_settled_some": "",
    "campaign.cancelled": "stop",
    "campaign.unreleased": "stop",
    "campaign.finished": "now",
    "campaign.deleted": "stop",
    "digest.created": "",
    "digest.release_failed": "stop",
    "campaign.recipients_deleted": "",
}

# Kind of event -> shape, sentence.
EVENTS = {str(kind): (shape, SENTENCES[kind]) for kind, shape in _SHAPES.items()}

# What servers meant when they did not take a message: the classes of core/mail/outcome.ANSWERS.
ANSWERS: dict[str, Word] = {
    "full": lazy("the mailbox is full"),
    "no_such_mailbox": lazy("there is no such mailbox"),
    "inactive": lazy("the mailbox is out of use"),
    "policy": lazy("their rules do not let it in"),
    "content": lazy("they did not like the letter"),
    "size": lazy("the letter is too large for them"),
    "greylisted": lazy("they ask everybody to come again"),
    "throttled": lazy("they ask for patience"),
    "route": lazy("it refused the route, not the reader"),
    "network": lazy("the line broke"),
    "expired": lazy("tried until the time was up"),
    "unsure": lazy("the answer was lost"),
    "suppressed": lazy("left or bounced after release"),
    "cancelled": lazy("stopped before its turn"),
    "unmakeable": lazy("the letter could not be made out to this address"),
    "config": lazy("the relay does not accept this sender"),
    "provider": lazy("the mailbox provider refuses us"),
    "bad_answer": lazy("the answer made no sense"),
    "utf8": lazy("they cannot take an address with such letters"),
    "system": lazy("something is broken on their side"),
    "other": lazy("another reason"),
}


# What of a route may change, by delivery.actions.Changed.
ROUTE_PARTS: dict[str, Word] = {
    "name": lazy("Name: %(before)s → %(after)s"),
    "url": lazy("Server: %(before)s → %(after)s"),
    "password": lazy("Password: another one"),
    "priority": lazy("Turn: %(before)s → %(after)s"),
    "rate": lazy("Limit: %(before)s → %(after)s"),
    "warm_up": lazy("Warm-up: %(before)s → %(after)s"),
    "connections": lazy("Connections: %(before)s → %(after)s"),
    "signs": lazy("DKIM: %(before)s → %(after)s"),
}

# Who signs what goes by a route: delivery.actions.routes.SIGNERS.
SIGNERS: dict[str, Word] = {"us": lazy("we sign"), "provider": lazy("the provider signs")}


def campaign_state(name: str) -> tuple[str, str]:
    shape, word = CAMPAIGN_STATES.get(name, ("none", name))
    return shape, str(word)


def subscription_state(name: str) -> tuple[str, str]:
    shape, word = SUBSCRIPTION_STATES.get(name, ("none", name))
    return shape, str(word)


def route_state(name: str) -> tuple[str, str]:
    shape, word = ROUTE_STATES.get(name, ("none", name))
    return shape, str(word)


def import_state(name: str) -> tuple[str, str]:
    shape, word = IMPORT_STATES.get(name, ("none", name))
    return shape, str(word)


def key_state(name: str) -> tuple[str, str]:
    shape, word = KEY_STATES.get(name, ("none", name))
    return shape, str(word)


def domain_state(row: DomainRow) -> tuple[str, str]:
    """The state of a sending domain: whether it signs, else what it waits for."""
    states = {key.state for key in row.keys}
    if "active" in states:
        return "good", pgettext("domain", "Signs")
    if "published" in states:
        return "work", pgettext("domain", "To be activated")
    return (
        ("care", pgettext("domain", "Records missing")) if "new" in states else ("none", pgettext("domain", "No key"))
    )


def record_found(selector: str, state: str) -> str:
    return str(RECORDS_FOUND[state]) % {"selector": selector}


def role(name: str) -> str:
    return str(ROLES.get(name, name))


def provider(name: str) -> str:
    return str(PROVIDERS.get(name, name))


def campaign_reason(code: str, until: datetime | None = None) -> str:
    """Why it is paused or waits; `until`: when it goes on by itself."""
    sentence = str(CAMPAIGN_REASONS.get(code, ""))
    return sentence % {"until": formatting.shaped(until, "moment")} if code in PASSING else sentence


def why_held(campaign: Campaign) -> str:
    """campaign_reason; of a domain that no route takes: which one, what the provider said and who has to act. Of
    mailbox providers that refuse us: which, how many emails and what is missing.
    """
    if campaign.reason == "provider":
        return " ".join(refusals_told(queries.provider_refusals(campaign)))
    if campaign.reason != "barred":
        return campaign_reason(campaign.reason, campaign.waits_until)
    domain = campaign.edition.message_id_domain
    sentences = [_("No route takes letters from %(domain)s.") % {"domain": domain}]
    for row in queries.bars_against(campaign.organization, domain):
        sentences += [bar_reason(row), bar_actor(row)]
    sentences.append(_("It goes on by itself once “Try again” was pressed under Routes."))
    return " ".join(dict.fromkeys(sentences))


def refusal_reason(row: RefusalRow) -> str:
    """Which mailbox provider refuses us, how many emails and what is missing: delivery.queries.RefusalRow."""
    name = provider(row.provider) if row.known else row.provider
    return _(refusals.REASONS[row.reason]).format(provider=name, count=formatting.grouped(row.count), answer=row.answer)


def refusals_told(rows: list[RefusalRow]) -> list[str]:
    """A paragraph for each provider that refuses a campaign, then how many wait and what to do."""
    if not rows:
        return [campaign_reason("provider")]
    waiting = ngettext(
        "%(n)s subscriber waits for this and wasn't marked as bounced.",
        "%(n)s subscribers wait for this; none of them was marked as bounced.",
        rows[0].waiting,
    ) % {"n": formatting.grouped(rows[0].waiting)}
    last = [waiting] if rows[0].waiting else []
    return [*map(refusal_reason, rows), " ".join([*last, _("Once that is done, choose “Try again”.")])]


# Why a campaign began to wait, for its timeline.
WAITS: dict[str, Word] = {
    "barred": lazy("No route took letters from its domain: it waits."),
    "provider": lazy("Only emails to mailbox providers that refuse us are left: it waits."),
    "untaken": lazy("It waited for unsubscribes to be processed."),
    "quiet": lazy("Quiet hours began: it waits."),
    "wave": lazy("It waits after its first wave."),
    "test": lazy("It waits for the version that wins."),
    "test_hand": lazy("It waits until somebody says which version wins."),
    "limit": lazy("The limit of the routes was used up: it waits."),
    "warm_up": lazy("Today’s share of the warm-up was used up: it waits."),
}


CHANGE_STATES: dict[str, Word] = {
    "waiting": pgettext_lazy("change", "waits"),
    "done": pgettext_lazy("change", "done"),
    "stopped": pgettext_lazy("change", "stopped"),
    "failed": pgettext_lazy("change", "could not be done"),
}


def change(row: PendingChange) -> str:
    return str(CHANGE_STATES[row.state])


def route_reason(row: RouteRow) -> str:
    """Why a route does not send, translated before the server's own words are put in."""
    if row.state == "live" or row.reason not in outcome.REASONS:
        return ""
    return outcome.filled(_(outcome.REASONS[row.reason]), row.host or row.name, row.values)


def route_actor(row: RouteRow) -> str:
    """Who has to act, so that a route sends again."""
    return _(outcome.ACTORS[row.who]) if row.who else ""


def bar_reason(row: BarRow) -> str:
    """Why a route takes no letters from a domain: delivery.queries.BarRow."""
    if row.reason not in outcome.REASONS:
        return ""
    return outcome.filled(_(outcome.REASONS[row.reason]), row.route, row.values)


def bar_actor(row: BarRow) -> str:
    return _(outcome.ACTORS[row.who]) if row.who else ""


def route_change(change: RouteChange) -> str:
    """One thing about a route that is another now, with what it was."""
    none = pgettext("limit", "none")
    before, after = change.before or none, change.after or none
    if change.word == "signs":
        before, after = str(SIGNERS[before]), str(SIGNERS[after])
    return str(ROUTE_PARTS[change.word]) % {"before": before, "after": after}


def used(usage: RateUsed) -> str:
    """How much of a route's limit, or of a day of its warm-up, is used: delivery.actions.pacing.Used."""
    if usage.what == "warm_up":
        sentence = _("warm-up, today %(used)s of %(of)s")
    elif usage.what.endswith("/h"):
        sentence = _("%(used)s of %(of)s used within the hour")
    else:
        sentence = _("%(used)s of %(of)s used within the day")
    return sentence % {"used": formatting.grouped(usage.used), "of": formatting.grouped(usage.of)}


def slowed(code: int) -> str:
    """A mailbox provider that asked for patience, by its place in core.address.PROVIDERS."""
    return _("%(provider)s wants less; it grows back within the hour") % {"provider": provider(address.PROVIDERS[code])}


def tested(verdict: RouteTest | TestResult, name: str) -> str:
    """What a route said when it was asked."""
    if verdict.reason not in outcome.REASONS:
        return str(verdict.sentence)
    return outcome.filled(_(outcome.REASONS[verdict.reason]), name, verdict.values)
