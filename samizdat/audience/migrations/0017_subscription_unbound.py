"""A subscription's parent was looked up in the transaction that writes it. PostgreSQL looked again at each commit, which
was 4 us of the 32 that a row of an import takes it.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0016_digest")]

    operations = [
        migrations.AlterField(
            "subscription",
            "subscriber",
            models.ForeignKey(
                to="audience.subscriber",
                on_delete=django.db.models.deletion.CASCADE,
                db_index=False,
                db_constraint=False,
            ),
        )
    ]
