"""Which tables a copy holds: all but those with a reason here, so that a new one is never forgotten."""

from collections.abc import Collection
from typing import NamedTuple

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Field, ForeignKey, Model
from django_tasks_db.models import DBTaskResult

from samizdat.accounts.models import Attempt, Session
from samizdat.audience.models import (
    ConsentRecord,
    ReadableValue,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
)
from samizdat.backup.sources import CopiedTable
from samizdat.campaigns.models import EditorPresence
from samizdat.delivery.models import BackupProgress, Clock, ConnectionLease, Delivery
from samizdat.events.models import Event, FollowUp
from samizdat.incoming.models import MailReport

_BY_MIGRATIONS = "written by migrations, the same everywhere"
LEFT_OUT: dict[type[Model], str] = {
    Session: "who is signed in: in another place everybody signs in again",
    Attempt: "failed sign-ins of the last minutes",
    EditorPresence: "who has a campaign open now",
    Clock: "how the clock of this machine went since it was started",
    BackupProgress: "what the worker does at backup places now",
    ConnectionLease: "connections that senders hold for half a minute",
    DBTaskResult: "rings for the worker; what is due stands in other tables",
    ContentType: _BY_MIGRATIONS,
    Permission: _BY_MIGRATIONS,
    Group: "of Django, without rows",
}


class Span(NamedTuple):
    """So many numbers of a column make a piece, for each value of the column `group` where there is one."""

    numbers: int
    by: str = "id"
    group: str = ""


# Of tables with a light row for each subscriber, consent record or email. A piece of subscribers has some 6 MB, one of
# deliveries 1 MB.
SPANS: dict[type[Model], Span] = {
    Subscriber: Span(8192),
    Subscription: Span(32768, "subscriber_id"),
    SubscriberTag: Span(16384, "subscriber_id"),
    ReadableValue: Span(16384, "subscriber_id"),
    ConsentRecord: Span(16384),
    Event: Span(8192),
    FollowUp: Span(65536),
    MailReport: Span(8192),
    Suppression: Span(16384),
    Delivery: Span(32768, "number", "edition_id"),
}

# What a column holds beside numbers, text and bytes, which both databases write alike.
_KINDS = {
    "BooleanField": "flag",
    "DateField": "day",
    "DateTimeField": "time",
    "JSONField": "json",
    "UUIDField": "uuid",
    "BinaryField": "bytes",
    "FloatField": "float",
    "CharField": "text",
    "SlugField": "text",
    "TextField": "text",
}


def copied_tables(databases: Collection[str]) -> list[CopiedTable]:
    """Of these databases; those with most rows come first, so that no process is alone with one of them at the end."""
    models = [model for model in apps.get_models(include_auto_created=True) if is_copied(model)]
    models.sort(key=lambda model: -list(SPANS).index(model) if model in SPANS else 1)
    tables = [_table(model) for model in models]
    return [table for table in tables if table.database in databases]


def is_copied(model: type[Model]) -> bool:
    is_of_group = model._meta.auto_created and model._meta.app_label == Group._meta.app_label
    return model not in LEFT_OUT and model._meta.managed and not is_of_group


def _table(model: type[Model]) -> CopiedTable:
    fields, key = model._meta.concrete_fields, model._meta.pk_fields
    span = SPANS.get(model, Span(0, ""))
    return CopiedTable(
        name=model._meta.db_table,
        database="publicdb" if model._meta.app_label == "publicdb" else "default",
        columns=tuple(field.column for field in fields if field.column),
        kinds=tuple(_kind(field) for field in fields if field.column),
        key=tuple(str(field.column) for field in key),
        span=span.numbers,
        by=span.by,
        group=span.group,
    )


def _kind(field: "Field[object, object]") -> str:
    """Of a foreign key, that of what it points to."""
    holds = field.target_field if isinstance(field, ForeignKey) else field
    return _KINDS.get(holds.get_internal_type(), "number")
