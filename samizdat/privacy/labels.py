"""Codes in words, said to the reader themselves. The desk has its own tables, which speak of them."""

from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import formatting
from samizdat.events.kinds import EventKind
from samizdat.labels import field_label

type Word = str | Promise

KINDS: dict[str, Word] = {
    "asked": lazy("You signed up for “%(list)s”."),
    "given": lazy("You agreed to “%(list)s”."),
    "confirmed": lazy("You confirmed your subscription to “%(list)s”."),
    "withdrawn": lazy("You unsubscribed from “%(list)s”."),
    "objected": lazy("You objected to emails from “%(list)s”."),
    "cleaned": lazy("Emails from “%(list)s” bounced permanently at your address."),
    "returned": lazy("You resubscribed to “%(list)s”."),
    "undone": lazy("Your move to “%(list)s” was undone by us."),
}
OBJECTED_TO_ALL = lazy("You objected to all email from us.")
OBJECTION_LIFTED = lazy("The record that you objected to all email from us was undone by us.")
PURPOSES: dict[str, Word] = {"fundraising": lazy("fundraising appeals")}
# Reasons that the house writes down by itself; any other is somebody's words.
REASONS: dict[str, Word] = {
    "no_answer": lazy("We asked whether you want to stay subscribed, and got no answer."),
    "list_deleted": lazy("We deleted the list."),
    "moved_back": lazy("Your subscription was moved there, then moved back."),
    "complaint": lazy("You, or your mailbox provider, marked an email as spam."),
}
WAYS: dict[str, Word] = {
    "import": lazy("imported from a file"),
    "form": lazy("on one of our pages"),
    "desk": lazy("recorded by our team"),
    "api": lazy("by a program (API)"),
    "mail": lazy("by an email from you"),
    "one-click": lazy("with the unsubscribe button of your mail app"),
    "bounce": lazy("answered by your mail server"),
}
STATUSES: dict[str, Word] = {
    "pending": lazy("waiting for your confirmation"),
    "subscribed": lazy("subscribed, emails are sent to you"),
    "unsubscribed": lazy("unsubscribed"),
    "cleaned": lazy("your address bounced"),
    "nonsubscribed": lazy("no consent, so no emails are sent to you"),
}
OFTEN: dict[str, Word] = {
    "monthly": lazy("only the first email of each month"),
    "digest": lazy("as a digest"),
}
STATES: dict[str, Word] = {
    "pending": lazy("not sent yet"),
    "deferred": lazy("deferred by your mail server"),
    "accepted": lazy("accepted by the receiving mail server"),
    "refused": lazy("bounced: your mail server said no"),
    "unsure": lazy("sent, outcome unknown"),
    "suppressed": lazy("skipped: you had unsubscribed or your address had bounced"),
    "cancelled": lazy("not sent: the campaign was cancelled"),
}
MESSAGES: dict[str, Word] = {
    "received": lazy("you wrote"),
    "answer": lazy("we answered"),
    "note": lazy("our note"),
    "away": lazy("answered automatically"),
}
LOG: dict[EventKind, Word] = {
    "subscriber.added": lazy("Your address was added."),
    "subscriber.confirmation_requested": lazy("Someone entered your address in our form."),
    "subscriber.asked_again": lazy("Our team had the confirmation email sent to you again."),
    "subscriber.confirmed": lazy("Your confirmation was recorded."),
    "subscriber.left": lazy("You were unsubscribed."),
    "subscriber.returned": lazy("Your unsubscribe was undone."),
    "subscriber.changed": lazy("Your record was changed."),
    "subscriber.address_changed": lazy("Your address was changed."),
    "subscriber.tagged": lazy("Your tags were changed."),
    "subscriber.opened": lazy("Our team viewed your record."),
    "subscriber.access_exported": lazy("This file was created."),
    "subscriber.suppressed": lazy("Your address was added to the suppression list."),
    "subscriber.unsuppressed": lazy("Your address was removed from the suppression list."),
    "subscriber.objected": lazy("Your objection was recorded."),
    "subscriber.preferences_changed": lazy("You changed your preferences."),
    "subscriber.forgotten": lazy("A sign-up that wasn’t confirmed was deleted."),
    "subscriber.merged": lazy("A sign-up was added to your record."),
    "subscriber.previewed": lazy("Our team previewed an email as you would get it."),
    "subscriber.status_repaired": lazy("Your status was corrected."),
}


def day(text: str) -> str:
    return formatting.shaped(date.fromisoformat(text[:10]), "day")


def named(document: dict[str, Any]) -> dict[str, object]:
    """The parts of an access file (subject_access.access_file) that consist of codes, in the language that is
    active."""
    return {
        "made": day(document["made"]),
        "since": day(document["about"]["since"]),
        "fields": [(field_label(row["tag"], row["label"]), row["value"]) for row in document["about"]["fields"]],
        "came_by": WAYS.get(document["about"]["came_by"], document["about"]["came_by"]),
        "lists": [(row["list"], _standing(row)) for row in document["lists"]],
        "consent": [_consent(entry) for entry in document["consent"]],
        "letters": [
            (row["subject"], day(row["day"]), STATES.get(row["state"], row["state"])) for row in document["letters"]
        ],
        "replies": [
            (row["subject"], [_message(message) for message in row["messages"]]) for row in document["replies"]
        ],
        "auto_replies": [
            (day(row["day"]), row["subject"], row["text"], row["files"]) for row in document["auto_replies"]
        ],
        "log": [(day(row["day"]), LOG.get(row["kind"], row["kind"])) for row in document["log"]],
    }


def _message(message: dict[str, Any]) -> tuple[str, Word, str, list[str]]:
    kind = message["kind"]
    return day(message["day"]), MESSAGES.get(kind, kind), message["text"], message["files"]


def _standing(subscription: dict[str, Any]) -> str:
    parts = [f"{STATUSES.get(subscription['status'], subscription['status'])} ({day(subscription['since'])})"]
    if subscription["often"] in OFTEN:
        parts.append(str(OFTEN[subscription["often"]]))
    if subscription["paused_until"]:
        parts.append(_("no emails before %(day)s") % {"day": day(subscription["paused_until"])})
    if subscription["appeals"]:
        parts.append(_("fundraising appeals too, as you agreed"))
    elif subscription["appeals_reason"]:
        parts.append(_("no fundraising appeals"))
    return ", ".join(parts)


def _consent(entry: dict[str, Any]) -> dict[str, object]:
    kind = str(KINDS.get(entry["kind"], entry["kind"])) % {"list": entry.get("list_name") or _("every list")}
    if entry["kind"] == "objected" and not entry.get("list_name"):
        kind = str(OBJECTED_TO_ALL)
    if entry["kind"] == "undone" and not entry.get("list_name"):
        kind = str(OBJECTION_LIFTED)
    return {
        "purpose": PURPOSES.get(entry.get("purpose", ""), ""),
        "reason": REASONS.get(entry.get("reason", ""), entry.get("reason", "")),
        "day": day(entry["day"]),
        "kind": kind,
        "way": WAYS.get(entry["way"], entry["way"]),
        "wording": entry.get("wording", ""),
        "version": entry.get("version", ""),
        "language": entry.get("language", ""),
        "source": entry.get("source", "") if entry.get("source") != entry["way"] else "",
    }
