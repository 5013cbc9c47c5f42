"""Codes of the house in words: a shape and a word for every state, a sentence for every reason.

Shapes are those of the stylesheet: good, work, care, stop, none, and "" for plainly waiting.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from samizdat import formatting, plugins
from samizdat import labels as shared
from samizdat.accounts.models import PendingChange
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import address, outcome, refusals, suppression_rules
from samizdat.delivery import queries
from samizdat.delivery.actions.rate_budgets import RateUsed
from samizdat.delivery.actions.routes import RouteChange, RouteTest
from samizdat.delivery.actions.testing import TestResult
from samizdat.delivery.dkim_keys import DomainRow
from samizdat.delivery.queries import BarRow, HeldBounces, RefusalRow, RouteRow, SuppressionCause
from samizdat.delivery.sealed_webhooks import WebhookState
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
    "held": ("", pgettext_lazy("campaign", "Undo window")),
    "sending": ("work", pgettext_lazy("campaign", "Sending")),
    "welcome": ("good", pgettext_lazy("welcome email", "On")),
    "on_hold": ("stop", pgettext_lazy("campaign", "On hold")),
    "paused": ("care", pgettext_lazy("campaign", "Paused")),
    "waiting": ("stop", pgettext_lazy("campaign", "Waiting for a sending route")),
    # It goes on by itself: quiet hours, a first wave, a limit that is used up.
    "waits": ("", pgettext_lazy("campaign", "Waiting")),
    "provider": ("stop", pgettext_lazy("campaign", "Waiting: rejected by a mailbox provider")),
    "finished": ("good", pgettext_lazy("campaign", "Sent")),
    "cancelled": ("none", pgettext_lazy("campaign", "Cancelled")),
    # Cancelled before anybody got it.
    "taken_back": ("none", pgettext_lazy("campaign", "Back to draft")),
}

SUBSCRIPTION_STATES: dict[str, tuple[str, Word]] = {
    "pending": ("work", pgettext_lazy("subscription", "Unconfirmed")),
    "subscribed": ("good", pgettext_lazy("subscription", "Subscribed")),
    "unsubscribed": ("none", pgettext_lazy("subscription", "Unsubscribed")),
    "cleaned": ("stop", pgettext_lazy("subscription", "Cleaned")),
    "nonsubscribed": ("none", pgettext_lazy("subscription", "No consent")),
}

ROUTE_SHAPES = {"live": "good", "again": "work", "paused": "", "waiting": "care", "throttled": "care", "dead": "stop"}

KEY_STATES: dict[str, tuple[str, Word]] = {
    "new": ("", pgettext_lazy("signing key", "New")),
    "published": ("work", pgettext_lazy("signing key", "Published")),
    "active": ("good", pgettext_lazy("signing key", "Signing")),
    "retiring": ("none", pgettext_lazy("signing key", "Being replaced")),
    "retired": ("none", pgettext_lazy("signing key", "Retired")),
}

# What is to be done about the record of a signing key, by its state.
KEY_ADVICE: dict[str, Word] = {
    "new": lazy("Lets receiving servers verify your emails. Add this record at your DNS provider. Not found yet."),
    "published": lazy("The record is published. The key doesn’t sign until you activate it."),
    "active": lazy("Emails are signed with this key. Keep the record."),
    "retiring": lazy(
        "Another key signs now. Emails already sent need this record until %(until)s. Then you can delete it."
    ),
    "retired": lazy("This key is retired. You can delete its record."),
    "altered": lazy(
        "This key was changed directly in the database, so it doesn’t sign and its record isn’t shown. Retire it "
        "and add another one."
    ),
}

KEY_KINDS: dict[str, str] = {"ed25519": "Ed25519", "rsa": "RSA"}

# What name servers said about the record of a signing key: delivery.actions.domains.Look.
RECORDS_FOUND: dict[str, Word] = {
    "right": lazy("%(selector)s: record found."),
    "other": lazy("%(selector)s: the published record is different. Publish the one shown here."),
    "unreadable": lazy("%(selector)s: the record is cut off or damaged. Copy the value again, in one piece."),
    "revoked": lazy("%(selector)s: the record is empty, which means the key is revoked. Publish it again."),
    "missing": lazy("%(selector)s: record not found yet. DNS can take an hour."),
    "silent": lazy(
        "%(selector)s: no DNS server answered. Check the server’s internet connection and press Check again."
    ),
}

IMPORT_STATES: dict[str, tuple[str, Word]] = {
    "uploading": ("work", pgettext_lazy("import", "Uploading")),
    "found": ("none", pgettext_lazy("import", "Ready for review; nothing changed yet")),
    "held": ("care", pgettext_lazy("import", "Waits for approval")),
    "waiting": ("", pgettext_lazy("import", "Waiting to start")),
    "running": ("work", pgettext_lazy("import", "Running")),
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
    "given": lazy("Agreed on %(day)s."),
    "confirmed": lazy("Confirmed on %(day)s."),
    "returned": lazy("Agreed, unsubscribed, then resubscribed on %(day)s."),
    "not_asked_yet": lazy("Consent not checked yet."),
    "never_agreed": lazy("No consent to newsletters from this list on record."),
    "not_confirmed": lazy("Signed up on %(day)s, unconfirmed."),
    "left": lazy("Unsubscribed on %(day)s."),
    "objected": lazy("Objected on %(day)s."),
    "cleaned": lazy("Address bounced on %(day)s."),
    "paused": lazy("Agreed. Emails paused until %(day)s."),
    "suppressed:bounce": lazy("Address bounced permanently."),
    "suppressed:complaint": lazy("Marked an email as spam."),
    "suppressed:erased": lazy("Data erased."),
    "suppressed:manual": lazy("Added to the suppression list by your team."),
    "suppressed:objected": lazy("Objected to all email."),
}

PURPOSES: dict[str, Word] = {"newsletter": lazy("newsletters"), "fundraising": lazy("fundraising appeals")}

# How much a yes is worth, and how old it is (core/consent).
STRENGTHS: dict[str, Word] = {
    "confirmed": lazy("confirmed here"),
    "elsewhere": lazy("confirmed elsewhere, according to a file"),
    "written": lazy("recorded by your team"),
    "brought": lazy("only imported from a file"),
}
AGES: dict[str, Word] = {
    "one": lazy("less than a year old"),
    "two": lazy("one to two years old"),
    "old": lazy("older than two years"),
    "unknown": lazy("age unknown"),
}

# Reasons that the house writes down itself; every other is in somebody's own words.
LEAVING_REASONS: dict[str, Word] = {
    "no_answer": lazy("Didn’t answer the re-confirmation."),
    "moved": lazy("Emails go to another address of this subscriber."),
    "list_deleted": lazy("The list was deleted."),
    "moved_back": lazy("Moved here by your team, then moved back."),
    "complaint": lazy("They, or their mailbox provider, marked an email as spam."),
}

CONSENT_KINDS: dict[str, Word] = {
    "asked": lazy("Signed up for “%(list)s”, unconfirmed"),
    "given": lazy("Agreed to “%(list)s”"),
    "confirmed": lazy("Confirmed “%(list)s”"),
    "withdrawn": lazy("Unsubscribed from “%(list)s”"),
    "objected": lazy("Objected to “%(list)s”"),
    "cleaned": lazy("Address bounced, “%(list)s”"),
    "returned": lazy("Resubscribed to “%(list)s”"),
    "undone": lazy("Move to “%(list)s” undone"),
}

CONSENT_WAYS: dict[str, Word] = {
    "import": lazy("Imported from a file."),
    "form": lazy("Through a sign-up form."),
    "desk": lazy("Recorded by your team."),
    "api": lazy("By a program."),
    "mail": lazy("By email."),
    "one-click": lazy("With the unsubscribe button of a mail app."),
    "bounce": lazy("Reported by the mail server."),
}

# A complaint is kept as "mail", even where the provider's webhook brought it.
COMPLAINT_WAY = lazy("Reported by the mailbox provider.")

# The stored ways are few: a button on the leave page is kept as "form", and what takes a leaving back as "one-click".
LEAVE_PAGE_WAYS: dict[tuple[str, str], Word] = {
    ("withdrawn", "form"): lazy("On the unsubscribe page."),
    ("returned", "form"): lazy("On the unsubscribe page."),
    ("returned", "one-click"): lazy("On the unsubscribe page."),
}

BOOKS: tuple[tuple[str, Word, Word], ...] = (
    (
        "accepted",
        pgettext_lazy("books", "accepted"),
        lazy("by the receiving mail server; what happens next isn’t known"),
    ),
    ("refused", pgettext_lazy("books", "bounced"), lazy("a permanent no for this address")),
    ("unsure", pgettext_lazy("books", "outcome unknown"), lazy("the connection was lost before the answer")),
    ("suppressed", pgettext_lazy("books", "skipped"), lazy("unsubscribed or bounced after scheduling; not emailed")),
    ("cancelled", pgettext_lazy("books", "cancelled"), lazy("cancelled before it was sent to them")),
    ("deferred", pgettext_lazy("books", "deferred"), lazy("postponed by their server; will be retried")),
    ("pending", pgettext_lazy("books", "waiting"), lazy("not tried yet")),
)

# Why a campaign is paused or waiting.
CAMPAIGN_REASONS: dict[str, Word] = {
    "person": lazy("Paused by someone on your team."),
    "sender_left": lazy("The person who scheduled it can no longer send campaigns. Check it, then press Resume."),
    "late": lazy("Its time passed while Samizdat wasn’t running. Nothing is sent until you resume it."),
    "fenced": lazy(
        "This installation was copied, restored or moved. No campaign is sent until an admin enables sending."
    ),
    "unreadable": lazy(
        "This campaign can’t be opened: its keys are missing, another version wrote it, or it was changed in the "
        "database. Ask an admin."
    ),
    "keys_locked": lazy("The organization was locked. Sending resumes automatically once it’s unlocked."),
    "no_route": lazy("No sending route is working. Fix or add one under Routes. Sending then resumes automatically."),
    "barred": lazy("No route can send from its domain."),
    "provider": lazy("A mailbox provider rejects our emails."),
    "untaken": lazy(
        "New unsubscribes are still being processed. Sending then resumes automatically. If this takes long, an "
        "admin should run samizdat doctor on the server."
    ),
    "quiet": lazy("Quiet hours. Resumes automatically: %(until)s."),
    "wave": lazy("First batch sent. The rest is sent automatically: %(until)s. Check the results until then."),
    "test": lazy("A/B test running. The rest gets the winner: %(until)s."),
    "test_hand": lazy("A/B test finished. Choose the winner in the report to send the rest."),
    "limit": lazy("All routes have reached their limit. Resumes automatically: %(until)s."),
    "warm_up": lazy("The route is warming up and has sent today’s share. Resumes automatically: %(until)s."),
    "complaints": lazy(
        "Too many subscribers reported emails of this list as spam, so sending to the list stopped. An admin can "
        "resume it in the report."
    ),
    "refusals": lazy("Too many emails in the first batch bounced, so the rest wasn’t sent. Press Resume to send it."),
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
    "installation.backup_place_added": "",
    "installation.backup_place_changed": "",
    "installation.backup_place_removed": "care",
    "installation.backup_test_failed": "stop",
    "installation.backup_tested": "good",
    "installation.backups_late": "stop",
    "installation.fenced": "stop",
    "installation.problems_over": "good",
    "installation.rewound": "stop",
    "installation.serious_problems": "stop",
    "installation.taken_over": "stop",
    "installation.released": "good",
    "campaign.start_missed": "stop",
    "campaign.paused": "stop",
    "campaign.sender_left": "stop",
    "campaign.resumed": "",
    "campaign.waits": "stop",
    "campaign.wait_over": "",
    "campaign.provider_blocks": "stop",
    "campaign.bounces_held": "stop",
    "campaign.not_arriving": "stop",
    "campaign.bounces_settled": "",
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
    "digest.start_missed": "stop",
    "campaign.recipients_deleted": "",
}

# Kind of event -> shape, sentence.
EVENTS = {str(kind): (shape, SENTENCES[kind]) for kind, shape in _SHAPES.items()}

# What servers meant when they did not take a message: the classes of core/mail/outcome.ANSWERS.
ANSWERS: dict[str, Word] = {
    "full": lazy("mailbox full"),
    "no_such_mailbox": lazy("mailbox doesn’t exist"),
    "unavailable": lazy("mailbox unavailable"),
    "inactive": lazy("mailbox disabled"),
    "policy": lazy("blocked by the recipient’s rules"),
    "content": lazy("rejected as spam"),
    "size": lazy("email too large"),
    "greylisted": lazy("greylisted"),
    "throttled": lazy("rate limited"),
    "route": lazy("rejected the route, not the subscriber"),
    "network": lazy("connection dropped"),
    "expired": lazy("retries ran out"),
    "unsure": lazy("connection lost before the answer"),
    "suppressed": lazy("unsubscribed or bounced after scheduling"),
    "cancelled": lazy("cancelled before it was sent"),
    "unmakeable": lazy("the email for this address couldn’t be created"),
    "config": lazy("the sending provider doesn’t accept this sender"),
    "provider": lazy("the mailbox provider rejects us"),
    "bad_answer": lazy("unclear answer"),
    "utf8": lazy("their server doesn’t support these characters in an address"),
    "system": lazy("error on their server"),
    "other": lazy("another reason"),
}


# What of a route may change, by delivery.actions.Changed.
ROUTE_PARTS: dict[str, Word] = {
    "name": lazy("Name: %(before)s → %(after)s"),
    "url": lazy("Server: %(before)s → %(after)s"),
    "password": lazy("Password: changed"),
    "priority": lazy("Priority: %(before)s → %(after)s"),
    "rate": lazy("Limit: %(before)s → %(after)s"),
    "warm_up": lazy("Warm-up: %(before)s → %(after)s"),
    "connections": lazy("Connections: %(before)s → %(after)s"),
    "signs": lazy("DKIM: %(before)s → %(after)s"),
}

# Who signs what goes by a route: delivery.actions.routes.SIGNERS.
SIGNERS: dict[str, Word] = {"us": lazy("signed by Samizdat"), "provider": lazy("signed by the provider")}


def campaign_state(name: str) -> tuple[str, str]:
    shape, word = CAMPAIGN_STATES.get(name, ("none", name))
    return shape, str(word)


def subscription_state(name: str) -> tuple[str, str]:
    shape, word = SUBSCRIPTION_STATES.get(name, ("none", name))
    return shape, str(word)


def route_state(name: str, reason: str = "") -> tuple[str, str]:
    shape = ROUTE_SHAPES.get("again" if name == "live" and reason else name, "none")
    return shape, shared.route_state(name, reason)


def import_state(name: str) -> tuple[str, str]:
    shape, word = IMPORT_STATES.get(name, ("none", name))
    return shape, str(word)


def key_state(name: str) -> tuple[str, str]:
    shape, word = KEY_STATES.get(name, ("none", name))
    return shape, str(word)


def domain_state(row: DomainRow) -> tuple[str, str]:
    """The state of a sending domain: whether it signs, else what it waits for."""
    states = {key.state for key in row.keys}
    if row.is_spare and "active" in states:
        return "none", pgettext("domain", "Spare")
    if "active" in states:
        return "good", pgettext("domain", "Signing")
    if "published" in states:
        return "work", pgettext("domain", "Ready to activate")
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
    sentences = [_("No route can send from %(domain)s.") % {"domain": domain}]
    for row in queries.bars_against(campaign.organization, domain):
        sentences += [bar_reason(row), bar_actor(row)]
    sentences.append(_("Press “Try again” under Routes. Sending then resumes automatically."))
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
        "%(n)s subscriber is waiting and wasn’t marked as bounced.",
        "%(n)s subscribers are waiting; none of them was marked as bounced.",
        rows[0].waiting,
    ) % {"n": formatting.grouped(rows[0].waiting)}
    last = [waiting] if rows[0].waiting else []
    return [*map(refusal_reason, rows), " ".join([*last, _("Then press “Try again”.")])]


def suppression_told(row: SuppressionCause) -> str:
    """Why an address is suppressed, by what its server said."""
    day = formatting.shaped(row.day, "day")
    return _(suppression_rules.REASONS[row.answer]).format(day=day, days=row.days, answer=row.reply)


def held_bounces_told(row: HeldBounces) -> str:
    """Why those whom a mailbox provider or a route calls dead were not suppressed."""
    sentence = _(suppression_rules.HELD[row.cause])
    counts = {"count": formatting.grouped(row.count), "answered": formatting.grouped(row.answered)}
    return sentence.format(provider=row.provider, **counts)


# Why a campaign began to wait, for its timeline.
WAITS: dict[str, Word] = {
    "barred": lazy("Waiting: no route could send from its domain."),
    "provider": lazy("Waiting: only emails to mailbox providers that reject us are left."),
    "untaken": lazy("Waited for unsubscribes to be processed."),
    "quiet": lazy("Waiting: quiet hours began."),
    "wave": lazy("Waiting after the first batch."),
    "test": lazy("Waiting for the A/B test winner."),
    "test_hand": lazy("Waiting until someone chooses the winner."),
    "limit": lazy("Waiting: the routes’ limit was reached."),
    "warm_up": lazy("Waiting: today’s warm-up share was used up."),
}


CHANGE_STATES: dict[str, Word] = {
    "waiting": pgettext_lazy("change", "pending"),
    "done": pgettext_lazy("change", "done"),
    "stopped": pgettext_lazy("change", "stopped"),
    "failed": pgettext_lazy("change", "couldn’t be done"),
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
        sentence = _("warming up, %(used)s of %(of)s today")
    elif usage.what.endswith("/h"):
        sentence = _("per hour: %(used)s of %(of)s used")
    else:
        sentence = _("per day: %(used)s of %(of)s used")
    return sentence % {"used": formatting.grouped(usage.used), "of": formatting.grouped(usage.of)}


def slowed(code: int) -> str:
    """A mailbox provider that asked for patience, by its place in core.address.PROVIDERS."""
    return _("slowed down for %(provider)s; recovers within the hour") % {"provider": provider(address.PROVIDERS[code])}


def webhook_refusal(state: WebhookState) -> str:
    """Why the last delivery that changed nothing was refused, and what to do."""
    sentence = _(plugins.webhook_sentence(state.refusal)) if plugins.webhook_sentence(state.refusal) else state.refusal
    return sentence.format(**({"provider": "", "most": ""} | state.values))


def tested(verdict: RouteTest | TestResult, name: str) -> str:
    """What a route said when it was asked."""
    if verdict.reason not in outcome.REASONS:
        return str(verdict.sentence)
    return outcome.filled(_(outcome.REASONS[verdict.reason]), name, verdict.values)


# Where a copy to a seed mailbox is, by its state: shape of the mark, and the word.
SEED_COPIES: tuple[tuple[str, Word], ...] = (
    ("", lazy("to be sent")),
    ("", lazy("on its way")),
    ("good", lazy("inbox")),
    ("stop", lazy("spam")),
    ("stop", lazy("missing")),
    ("stop", lazy("rejected")),
    ("care", lazy("mailbox can’t be read")),
)

# What receivers report of connections to our mail servers: result types of RFC 8460, 4.3.
TLS_RESULTS: dict[str, Word] = {
    "success": pgettext_lazy("TLS", "encrypted"),
    "starttls-not-supported": lazy("not encrypted: the server offers no STARTTLS"),
    "certificate-host-mismatch": lazy("failed: the certificate is for another name"),
    "certificate-expired": lazy("failed: the certificate has expired"),
    "certificate-not-trusted": lazy("failed: the certificate isn’t trusted"),
    "validation-failure": lazy("failed: the certificate couldn’t be checked"),
    "tlsa-invalid": lazy("failed: the TLSA record is wrong (DANE)"),
    "dnssec-invalid": lazy("failed: the DNSSEC signature is wrong (DANE)"),
    "dane-required": lazy("failed: there is no TLSA record (DANE)"),
    "sts-policy-fetch-error": lazy("failed: the MTA-STS policy can’t be fetched"),
    "sts-policy-invalid": lazy("failed: the MTA-STS policy is wrong"),
    "sts-webpki-invalid": lazy("failed: the certificate of the MTA-STS policy is wrong"),
    "other": lazy("failed for another reason"),
}
