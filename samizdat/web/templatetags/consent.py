"""What a subscriber's page says of their consent: the verdict with its reason, and the log it was read from."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template import Context
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.queries.subscriber_page import SubscriberCard
from samizdat.core.consent import Permission, Refusal
from samizdat.delivery.queries import Fate
from samizdat.web import labels
from samizdat.web.templatetags.desk import count, day

register = template.Library()

SHOWN = 100  # The newest consent records; more of one person make a page that no phone opens.


@register.inclusion_tag("web/audience/parts/consent.html", takes_context=True)
def consent_of(context: Context, card: SubscriberCard) -> dict[str, object]:
    """May we write to this subscriber, list by list and purpose by purpose. `card`: queries.card()."""
    return {
        "number": card.number,
        "standings": [(standing, *answer(standing.verdict)) for standing in card.lists],
        "asking": [(standing, *answer(verdict)) for standing, verdict in card.fundraising],
        "desk": context["desk"],
        "request": context["request"],
        "csrf_token": context["csrf_token"],
    }


# What the chips of the activity ask for, by what stands in the address.
ACTIVITY = {"": lazy("Everything"), "emails": lazy("Emails"), "consent": lazy("Consent")}


@register.inclusion_tag("web/audience/parts/activity.html", takes_context=True)
def activity_of(context: Context, card: SubscriberCard, deliveries: Sequence[Fate]) -> dict[str, object]:
    """Every consent record and what became of recent emails, the newest first."""
    request = context["request"]
    asked = request.GET.get("show", "") if request.GET.get("show") in ACTIVITY else ""
    records = [] if asked == "emails" else card.timeline[:SHOWN]
    mails = [] if asked == "consent" else deliveries
    # What has no day yet is being sent.
    events: list[tuple[date, dict[str, object] | None, Fate | None]] = []
    events += [(entry.day, entry_of(entry), None) for entry in records]
    events += [(row.day or date.max, None, row) for row in mails]
    return {
        "events": sorted(events, key=lambda event: event[0], reverse=True),
        "records": len(card.timeline) if records and len(card.timeline) > SHOWN else 0,
        "shown": len(records),
        "chips": [(_shows(name, context["hidden"]), word, name == asked) for name, word in ACTIVITY.items()],
        "sees": context["sees"],
        "desk": context["desk"],
        "request": request,
    }


def _shows(name: str, hidden: bool) -> str:
    """The page with these events alone, its address hidden or not as it is."""
    return "?" + urlencode({"show": name} | ({"hide": "1"} if hidden else {})) if name or hidden else "?"


def answer(verdict: Permission | Refusal) -> tuple[bool, str]:
    """Whether we may write to them, and the sentence that says why."""
    sentence = str(labels.VERDICTS.get(verdict.reason, ""))
    fact = getattr(verdict, "record", None)
    return isinstance(verdict, Permission), sentence % {"day": day(fact.day) if fact else ""}


def entry_of(entry: Any) -> dict[str, object]:
    """One record in words: which wording in which version, when, by which way."""
    title = str(labels.CONSENT_KINDS.get(entry.kind, entry.kind)) % {"list": entry.list_name or _("every list")}
    if entry.kind == "objected" and not entry.list_name:
        title = _("Objected to all email")
    if entry.kind == "undone" and not entry.list_name:
        title = _("Objection to all email undone")
    return {
        "day": entry.day,
        "title": title,
        "purpose": str(labels.PURPOSES[entry.purpose]) if entry.purpose != "newsletter" else "",
        "way": way_of(entry),
        "source": source_of(entry),
        "wording": entry.wording,
        "version": entry.version,
        "language": entry.language,
        "reason": str(labels.LEAVING_REASONS.get(entry.reason, entry.reason)),
        "shape": "stop" if entry.kind in ("withdrawn", "objected", "cleaned") else "",
    }


def way_of(entry: Any) -> object:
    """By which way a record came in, in words."""
    if (entry.way, entry.reason) == ("mail", "complaint"):
        return labels.COMPLAINT_WAY
    return labels.LEAVE_PAGE_WAYS.get((entry.kind, entry.way)) or labels.CONSENT_WAYS.get(entry.way, entry.way)


def source_of(entry: Any) -> str:
    """Where a record came from, in the reader's language: an import writes "mailchimp, FILE, line 646"."""
    match = re.fullmatch(r"(\w+), (.*), line (\d+)", entry.source or "") if entry.way == "import" else None
    if match is None:
        # Where the way has said it, the source would only repeat a word of the house.
        return "" if entry.source == entry.way else str(entry.source or "")
    return _("%(file)s, line %(n)s") % {"file": match[2], "n": count(match[3])}
