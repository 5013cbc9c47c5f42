"""Who may be asked for money: a column of its own, and an index to those who may.

The column is added as both databases add one at once; Django would copy the whole table on SQLite. Who ever spoke of
appeals was written down at the desk, one by one: few.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import migrations, models

from samizdat import dialect
from samizdat.audience import facts

COLUMN = (
    "ALTER TABLE audience_subscription ADD COLUMN asking smallint {unsigned} NOT NULL DEFAULT 0 CHECK (asking >= 0)"
)
PAGE = 1_000


def add_column(apps: Any, editor: Any) -> None:
    editor.execute(COLUMN.format(unsigned="unsigned" if editor.connection.vendor == "sqlite" else ""))


def fill(apps: Any, editor: Any) -> None:
    known = apps.get_model("audience", "ConsentRecord").objects.filter(purpose=facts.APPEALS)
    ids = sorted(known.values_list("subscriber_id", flat=True).distinct())
    on = apps.get_model("audience", "Subscription").objects
    now = datetime.now(UTC)
    for at in range(0, len(ids), PAGE):
        page = ids[at : at + PAGE]
        told: dict[int, list[facts.Known]] = {}
        for id, record in dialect.consent_of(page):
            told.setdefault(id, []).append(record)
        lists = on.filter(subscriber_id__in=page).values_list("subscriber_id", "list_id")
        dialect.update_asking(
            [(facts.asking_of(facts.records(told[id]), list_id, now), id, list_id) for id, list_id in lists]
        )


class Migration(migrations.Migration):
    dependencies = [("audience", "0020_consent_of_subscriber")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_column, migrations.RunPython.noop)],
            state_operations=[
                migrations.AddField(
                    "subscription", "asking", models.PositiveSmallIntegerField(db_default=0, default=0)
                )
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            "subscription",
            models.Index(fields=["list", "subscriber"], condition=models.Q(("asking", 1)), name="subscription_asking"),
        ),
    ]
