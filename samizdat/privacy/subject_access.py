"""All that the house knows of one reader, for themselves: GDPR, articles 15 and 20.

One document of plain values; as JSON for machines (article 20), as one HTML file without script for people.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from itertools import batched
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import consent_records, sql
from samizdat.audience import queries as audience
from samizdat.audience.actions import preferences
from samizdat.audience.models import Subscriber
from samizdat.campaigns.models import Edition
from samizdat.campaigns.queries import AT_ONCE
from samizdat.campaigns.released import released
from samizdat.core.consent import WAYS, Permission, Refusal
from samizdat.core.content import reader_formats
from samizdat.core.mail.ledger import STATES
from samizdat.core.mail.outcome import ANSWERS
from samizdat.delivery.models import Delivery
from samizdat.delivery.sealed_chunks import owes
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.events.queries import about
from samizdat.incoming.conversations import auto_replies
from samizdat.incoming.conversations import queries as conversations
from samizdat.incoming.conversations.details import KINDS as REPLY_KINDS
from samizdat.privacy import labels, legal_documents, retention_rules
from samizdat.privacy.settings import PrivacyFacts, facts_of

LANGUAGES = legal_documents.LANGUAGES


def access_file(
    subscriber: Subscriber, *, now: datetime, by: Person | None = None, by_link: bool = False
) -> dict[str, object]:
    """The document. That it was made is written to the log, without what is in it. by_link: nobody of the team looks at
    it. Then it names no list that no record of ours and no form names, no field of others, and no tags: rows in the
    open say who has one, so whoever writes the database could read the name of each in a copy of their own."""
    subscriber.refresh_from_db()
    organization = subscriber.organization
    card = audience.card(subscriber, now)
    facts = facts_of(organization)
    if by_link:
        known = consent_records.lists_on_record(sql.digested_consent_of([subscriber.id]))
        lists = [row for row in card.lists if row.list_id in known]
        timeline = [entry for entry in card.timeline if entry.list_id is None or entry.list_id in known]
        card = replace(card, lists=lists, timeline=timeline)
        facts.lists[:] = [row for row in facts.lists if row.number in known or row.form]
        facts.fields[:] = [(tag, label) for tag, label in facts.fields if card.values.get(tag)]
    appeals = {subscription.list_id: verdict for subscription, verdict in card.fundraising}
    labels = {field.tag: field.label for field in audience.fields(organization)}
    record("subscriber.access_exported", organization, about=subscriber.id, by=by, now=now)
    return {
        "format": "samizdat access file 1",
        "organization": leading(organization).name,
        "made": now.date().isoformat(),
        "about": {
            "number": card.number,
            "address": card.address,
            "fields": [
                {"tag": tag, "label": labels.get(tag, ""), "value": value}
                for tag, value in card.values.items()
                if tag != "EMAIL" and value
            ],
            "language": card.language,
            "mailbox": card.provider,
            "since": card.joined.isoformat(),
            "came_by": WAYS[subscriber.source],
            "tags": None if by_link else card.tags,
            "notes": card.notes,
            "suppressed": card.suppressed or "",
            **_chosen(subscriber),
        },
        "lists": [_list(subscriber, subscription, appeals.get(subscription.list_id)) for subscription in card.lists],
        "consent": [
            {name: str(value) for name, value in asdict(entry).items() if name not in ("list_id", "letter") and value}
            for entry in card.timeline
        ],
        "letters": _letters(organization, subscriber),
        "replies": _replies(subscriber),
        "auto_replies": _auto_replies(subscriber, now),
        "log": _log(organization, subscriber),
        # Article 15(1)(a) to (h): what for, who else sees it, how long, and what they may ask.
        "notice": {language: _notice(facts, now, language) for language in legal_documents.LANGUAGES},
        "backups": {"days": retention_rules.BACKUP_DAYS},
    }


def _chosen(subscriber: Subscriber) -> dict[str, object]:
    """What they chose for all of their lists, and where they asked to be written to without having said yes there
    yet."""
    chosen = preferences.looks_of(subscriber)
    return {
        "text_only": reader_formats.TEXT in chosen.wishes,
        "discreet": reader_formats.DISCREET in chosen.wishes,
        "other_mailboxes": chosen.mailboxes,
    }


def _list(
    subscriber: Subscriber, subscription: audience.SubscriptionStatus, appeals: Permission | Refusal | None
) -> dict[str, object]:
    """appeals: whether they may be asked for money; None where they have said nothing of it, which is no yes."""
    often, until = preferences.often_of(subscriber, subscription.list_id)
    return {
        "list": subscription.name,
        "status": subscription.status,
        "since": subscription.since.isoformat(),
        "may": isinstance(subscription.verdict, Permission),
        "reason": subscription.verdict.reason,
        "often": often,
        "paused_until": until.isoformat() if until else "",
        "appeals": isinstance(appeals, Permission),
        "appeals_reason": appeals.reason if appeals else "",
    }


def _notice(facts: PrivacyFacts, now: datetime, language: str) -> list[dict[str, object]]:
    paper = legal_documents.privacy_notice(facts, now.date(), language)
    return [{"heading": section.heading, "lines": list(section.lines)} for section in paper.sections]


def _letters(organization: Organization, subscriber: Subscriber) -> list[dict[str, object]]:
    """What was owed to them and became of it, the newest first. Older ones are totals in which they are not."""
    rows_of = Edition.objects.select_related("organization").filter(organization=organization)
    # By edition and number, which is the key: there is no index by number alone.
    rows = [
        row
        for ids in batched(rows_of.values_list("pk", flat=True), 500)
        for row in Delivery.objects.filter(edition_id__in=ids, number=subscriber.number)
    ]
    subjects = {
        edition.pk: _subject(edition, subscriber.number)
        for ids in batched(sorted({row.edition_id for row in rows}), 500)
        for edition in rows_of.filter(pk__in=ids).defer("compiled_sealed").iterator(chunk_size=AT_ONCE)
    }
    return [
        {
            "subject": subjects[row.edition_id],
            "day": row.day.isoformat(),
            "state": STATES[row.state],
            "answer": ANSWERS[row.answer],
            "code": row.code,
        }
        for row in sorted(rows, key=lambda row: (row.day, row.edition_id), reverse=True)
        if row.edition_id in subjects
    ]


def _subject(edition: Edition, number: int) -> str:
    """As it was released. Whoever writes the database can say of any draft that somebody got it, and of what is
    scheduled or went to others alone."""
    details = released(edition)
    if details is None:
        return ""
    has_begun = about(edition.organization, "campaign.first_sent", edition.campaign_id) is not None
    return details.subject if details.imported or (has_begun and owes(edition, number)) else ""


def _replies(subscriber: Subscriber) -> list[dict[str, object]]:
    """What they wrote to the inbox, and what the team answered and noted, the newest conversation first."""
    return [
        {
            "subject": conversation.known.subject,
            "messages": [
                {
                    "kind": REPLY_KINDS[view.row.kind],
                    "day": view.words.at.date().isoformat(),
                    "text": view.words.text,
                    "files": [file.name for file in view.words.files],
                }
                for view in conversations.messages(conversation.row)
            ],
        }
        for conversation in conversations.of_subscriber(subscriber)
    ]


def _auto_replies(subscriber: Subscriber, now: datetime) -> list[dict[str, object]]:
    """What their mailbox answered by itself, while it is kept, the newest first."""
    return [
        {
            "subject": shown.content.subject,
            "day": shown.day.isoformat(),
            "text": shown.content.words,
            "files": [file.name for file in shown.content.attachments],
        }
        for shown in auto_replies.of_subscriber(subscriber, now)
        if shown.content
    ]


def _log(organization: Organization, subscriber: Subscriber) -> list[dict[str, str]]:
    """What people of the house did with their entry: kinds and days, without who."""
    rows = Event.objects.filter(organization=organization, about=subscriber.id, kind__startswith="subscriber.")
    columns = rows.order_by("id").values_list("at", "kind")  # Details alone may be hundreds of megabytes.
    return [{"day": at.date().isoformat(), "kind": kind} for at, kind in columns.iterator(chunk_size=1000)]


def as_json(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def as_html(document: dict[str, Any], language: str) -> str:
    """One file that any browser shows, in `language`, one of LANGUAGES."""
    with override(language):
        named = labels.named(document)
        title, notice = _("Your data"), document["notice"][language]
        values = {"file": document, "named": named, "language": language, "title": title, "notice": notice}
        return render_to_string("privacy/access.html", values)


def language_for(subscriber: Subscriber) -> str:
    """Their language where we speak it, else the organization's."""
    spoken = [subscriber.language[:2].lower(), leading(subscriber.organization).language[:2]]
    return next((language for language in spoken if language in LANGUAGES), "en")
