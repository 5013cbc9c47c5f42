"""How somebody first came, and indexes to filter by.

The column is added as both databases add one at once; Django would copy the whole table on SQLite.
"""

from typing import Any

from django.db import migrations, models

COLUMN = "ALTER TABLE audience_subscriber ADD COLUMN source smallint {unsigned} NOT NULL DEFAULT 0 CHECK (source >= 0)"

# Whoever first came by something else than an import (0). A small part, and the house is at rest during an upgrade.
FILL = """
UPDATE audience_subscriber SET source = COALESCE((
    SELECT way FROM audience_consentrecord c WHERE c.subscriber_id = audience_subscriber.id ORDER BY c.id LIMIT 1
), 0)
WHERE id IN (SELECT subscriber_id FROM audience_consentrecord WHERE way <> 0)
"""


def add_column(apps: Any, editor: Any) -> None:
    editor.execute(COLUMN.format(unsigned="unsigned" if editor.connection.vendor == "sqlite" else ""))


class Migration(migrations.Migration):
    dependencies = [("audience", "0008_mailed")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(add_column, migrations.RunPython.noop),
                migrations.RunSQL(FILL, migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.AddField(
                    "subscriber", "source", models.PositiveSmallIntegerField(db_default=0, default=0)
                )
            ],
        ),
        migrations.AddIndex(
            "subscriber",
            models.Index(fields=["id", "provider", "language", "source", "joined"], name="subscriber_facets"),
        ),
        migrations.AddIndex(
            "subscription",
            models.Index(
                fields=["subscriber", "list"],
                condition=models.Q(("may__gte", 7)),
                name="subscription_suppressed",
            ),
        ),
    ]
