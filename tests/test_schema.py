"""What may stand readable in a table. A new column fails here until somebody has given a reason (threat model, T2)."""

from typing import Any

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from samizdat.database_migrations import InitialMigration

# Readable columns of tables with a row per reader, and why each may be read by whoever copies the database.
READER_TABLES: dict[str, dict[str, str]] = {
    "audience_subscriber": {
        "id": "organization and number: random in order, tells nothing",
        "organization": "whose list; group names may be known",
        "sealed": "sealed",
        "email_index": "keyed hash, the key is elsewhere",
        "index_version": "which index key",
        "provider": "one of a short list, `other` for all else: needed for pace",
        "language": "one of a few: needed for segments in the database",
        "joined": "a day, never finer",
        "source": "by which of seven ways they came; their first consent record says the same",
    },
    "audience_subscribertag": {"pk": "", "subscriber": "number", "tag": "number; the name is sealed"},
    "audience_subscription": {
        "pk": "",
        "subscriber": "number",
        "list": "number; the name is sealed",
        "status": "needed for counts and for release",
        "mail_verdict": "the verdict of consent.may",
        "fundraising_verdict": "the same about appeals for money: release asks it in the database",
        "since": "a day",
        "paused": "a day, of their own choice",
        "frequency": "every letter, one a month or a digest: release asks it in the database",
        "digest_turn": "from which digest of the list on that counts: a small number, the same for many",
    },
    "audience_consentrecord": {
        "id": "order of writing",
        "organization": "whose",
        "subscriber": "number",
        "list": "number",
        "kind": "given, withdrawn …",
        "purpose": "newsletter, fundraising",
        "channel": "import, form …",
        "day": "a day; the exact time is sealed",
        "sealed": "sealed",
        "digest": "of the sealed blob, which holds a random nonce",
        "mac": "of a record without words: of its digest and its columns, under a key of the instance",
        "position": "place in the chain",
        "link": "the chain",
    },
    "audience_signup": {
        "record": "number of a record of consent that says the same; the row goes after a week",
        "day": "a day, of the record",
    },
    "audience_readablevalue": {
        "pk": "",
        "subscriber": "number",
        "field": "number; the name is sealed",
        "value": "a number, a day, or the code of a choice, of fields that an admin marked readable for segments",
    },
    "audience_dataqualityissue": {
        "pk": "",
        "organization": "whose",
        "subscriber": "number",
        "kind": "typo or double",
        "mark": "keyed hash of the form that two addresses have in common",
        "duplicate_of": "number of the other one",
        "dismissed": "somebody looked",
    },
    "audience_suppression": {
        "id": "order of writing",
        "organization": "whose",
        "email_index": "keyed hash",
        "index_version": "which index key",
        "reason": "bounce, complaint, erased, manual, objected; with a ~, of a mailbox however it is spelled",
        "day": "a day",
    },
    "audience_mailquota": {
        "id": "order of writing",
        "organization": "whose",
        "mark": "keyed hash of a kind of mail and an address, the key is elsewhere",
        "day": "a day; the row goes after the next one",
        "box": "row of the public database, which is empty again by then",
    },
    "delivery_delivery": {
        "pk": "",
        "edition": "number",
        "number": "subscriber number",
        "state": "what became of it",
        "answer": "class of the answer",
        "code": "SMTP code",
        "route": "number",
        "day": "a day, never finer",
    },
    "incoming_receiverreport": {
        "id": "order of writing",
        "organization": "whose",
        "day": "a day, never finer",
        "details_sealed": "sealed",
    },
    "incoming_mailreport": {
        "id": "order of writing",
        "organization": "whose",
        "mail": "number of the message that said it",
        "position": "its place in that message",
        "edition": "number",
        "number": "subscriber number",
        "kind": "bounce, complaint, automatic reply, request to unsubscribe or reply",
        "day": "a day, never finer",
        "details_sealed": "sealed",
    },
    "incoming_conversation": {
        "id": "order of writing",
        "organization": "whose",
        "state": "waiting, answered or done: counted for the menu",
        "assignee": "number of a teammate",
        "subscriber": "number",
        "day": "a day, never finer: of the newest message, a year after which it goes",
        "last": "number of its newest message: the order of the list",
        "mark": "keyed hash of sender and subject, the key is elsewhere",
        "thread": "random; in the Message-ID of our answers",
        "sealed": "sealed",
    },
    "incoming_conversationmessage": {
        "id": "order of writing",
        "conversation": "number",
        "kind": "received, answer, note or away text",
        "outgoing": "whether it is to be sent, was sent or wasn't",
        "sealed": "sealed",
    },
    "incoming_awayreply": {
        "id": "order of writing",
        "organization": "whose",
        "mark": "keyed hash of an address, the key is elsewhere; gone after a week",
        "day": "a day, never finer",
    },
    "delivery_digestrecipients": {
        "id": "order of writing",
        "campaign": "number",
        "numbers": "subscriber numbers, as a chunk has them; gone when the letter begins",
    },
    "delivery_retry": {
        "pk": "",
        "edition": "number",
        "number": "subscriber number",
        "tries": "how often",
        "first": "when it was first put off: our own schedule, gone when settled",
        "due": "our own schedule, gone when settled",
        "chunk": "which retry chunk holds it",
    },
}

# Words that no column may be called: nothing of the kind is ever kept.
NEVER = ("ip", "ip_address", "user_agent", "opened", "opens", "clicked", "clicks", "last_seen", "last_login", "geo")

OUR_APPS = (
    "accounts",
    "audience",
    "campaigns",
    "delivery",
    "events",
    "fundraising",
    "incoming",
    "privacy",
    "publicdb",
    "vault",
)


def models() -> list[Any]:
    return [model for app in OUR_APPS for model in apps.get_app_config(app).get_models()]


@pytest.mark.parametrize("table", sorted(READER_TABLES))
def test_a_table_about_readers_has_only_the_columns_that_were_given_a_reason(table: str) -> None:
    model = next(model for model in models() if model._meta.db_table == table)
    columns = {field.name for field in model._meta.get_fields() if getattr(field, "concrete", False)}
    assert columns - {"pk"} == set(READER_TABLES[table]) - {"pk"}


def test_every_table_that_points_at_a_subscriber_is_on_the_list() -> None:
    pointing = {
        model._meta.db_table
        for model in models()
        for field in model._meta.get_fields()
        if getattr(field, "concrete", False)
        and (field.name in ("subscriber", "number", "email_index") or "Subscriber" in str(field.related_model))
    }
    # Those who sign in have an address too. Fields, keys and versions of a draft have numbers of their own, and pieces
    # of a file too.
    others = {
        "accounts_person",
        "accounts_attempt",
        "campaigns_draftrevision",
        "audience_field",
        "audience_importpiece",
        "portability_accountcopypiece",
        "portability_exportpiece",
        "privacy_rescueevidencepiece",
        "vault_keptkey",
        "vault_vaultkey",
        "vault_keydestruction",
    }
    assert pointing - others <= set(READER_TABLES), pointing - others - set(READER_TABLES)


@pytest.mark.parametrize("model", models(), ids=lambda model: model._meta.db_table)
def test_no_column_says_from_where_or_whether_somebody_read(model: Any) -> None:
    for field in model._meta.get_fields():
        assert field.name not in NEVER
        assert field.__class__.__name__ != "GenericIPAddressField"


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.once
def test_the_first_migration_of_each_app_makes_its_tables_together() -> None:
    """`makemigrations` writes Django's class there: then a new house takes three times as long."""
    first = {key: each for key, each in MigrationLoader(None).disk_migrations.items() if key[1] == "0001_initial"}
    ours = {app: each for (app, _name), each in first.items() if type(each).__module__.startswith("samizdat.")}
    assert len(ours) >= 9
    assert not [app for app, each in ours.items() if not isinstance(each, InitialMigration)]


@pytest.mark.django_db
def test_what_doctor_compares_with_is_what_the_migrations_make() -> None:
    from django.db import connection

    from samizdat.accounts import database_catalog

    made = database_catalog.schema_text(database_catalog.facts())
    assert made == database_catalog.file(connection.vendor).read_text(), (
        "after a migration: .venv/bin/python scripts/schema.py"
    )
