"""Codes in words, said to the reader herself. The desk has its own tables, which speak of her."""

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
    "confirmed": lazy("You confirmed “%(list)s”."),
    "withdrawn": lazy("You left “%(list)s”."),
    "objected": lazy("You objected to mail from “%(list)s”."),
    "cleaned": lazy("Mail for “%(list)s” could not be delivered to your address for good."),
    "returned": lazy("You came back to “%(list)s”."),
    "undone": lazy("Your move to “%(list)s” was undone here."),
}
OBJECTED_TO_ALL = lazy("You objected to all mail from us.")
OBJECTION_LIFTED = lazy("It was taken back here that you objected to all mail from us.")
PURPOSES: dict[str, Word] = {"fundraising": lazy("appeals for money")}
# Reasons that the house writes down by itself; any other is somebody's words.
REASONS: dict[str, Word] = {
    "no_answer": lazy("You were asked whether you want to stay, and we heard nothing."),
    "moved_back": lazy("You were moved there, and moved back."),
}
WAYS: dict[str, Word] = {
    "import": lazy("brought in from a file"),
    "form": lazy("by a page of ours"),
    "desk": lazy("written down by somebody who works here"),
    "api": lazy("by a program"),
    "mail": lazy("by a letter from you"),
    "one-click": lazy("by the unsubscribe button of your mail programme"),
    "bounce": lazy("told by your mailbox"),
}
STATUSES: dict[str, Word] = {
    "pending": lazy("waits for your confirmation"),
    "subscribed": lazy("letters come to you"),
    "unsubscribed": lazy("you have left"),
    "cleaned": lazy("your address did not work"),
    "nonsubscribed": lazy("you never agreed, so no letters come"),
}
OFTEN: dict[str, Word] = {
    "monthly": lazy("only the first letter of a month"),
    "digest": lazy("gathered in a digest"),
}
STATES: dict[str, Word] = {
    "pending": lazy("not sent yet"),
    "deferred": lazy("put off by your mail server"),
    "accepted": lazy("taken by the next mail server"),
    "refused": lazy("refused by your mail server"),
    "unsure": lazy("sent; the answer was lost"),
    "suppressed": lazy("not sent, for you had left or your address did not work"),
    "cancelled": lazy("not sent: it was stopped"),
}
LOG: dict[EventKind, Word] = {
    "subscriber.added": lazy("Your address was added."),
    "subscriber.confirmation_requested": lazy("Somebody signed your address up."),
    "subscriber.confirmed": lazy("Your confirmation was taken up."),
    "subscriber.left": lazy("Your leaving was taken up."),
    "subscriber.returned": lazy("Your leaving was taken back."),
    "subscriber.changed": lazy("Your entry was changed."),
    "subscriber.address_changed": lazy("Your address was changed."),
    "subscriber.tagged": lazy("Your tags were changed."),
    "subscriber.opened": lazy("Somebody who works here looked at your entry."),
    "subscriber.access_exported": lazy("This file was made."),
    "subscriber.suppressed": lazy("Your address was put on the stop list."),
    "subscriber.unsuppressed": lazy("Your address was taken off the stop list."),
    "subscriber.objected": lazy("Your objection was taken up."),
    "subscriber.preferences_changed": lazy("You changed your settings."),
    "subscriber.forgotten": lazy("A sign-up that nobody confirmed was forgotten."),
    "subscriber.previewed": lazy("Somebody who works here looked at a letter as it would come to you."),
    "subscriber.status_repaired": lazy("Your status was put right."),
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
        "log": [(day(row["day"]), LOG.get(row["kind"], row["kind"])) for row in document["log"]],
    }


def _standing(subscription: dict[str, Any]) -> str:
    parts = [f"{STATUSES.get(subscription['status'], subscription['status'])} ({day(subscription['since'])})"]
    if subscription["often"] in OFTEN:
        parts.append(str(OFTEN[subscription["often"]]))
    if subscription["paused_until"]:
        parts.append(_("nothing before %(day)s") % {"day": day(subscription["paused_until"])})
    if subscription["appeals"]:
        parts.append(_("appeals for money too, as you agreed"))
    elif subscription["appeals_reason"]:
        parts.append(_("no appeals for money"))
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
