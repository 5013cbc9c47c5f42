"""A tag that was removed keeps its row, as a segment does: a draft that went to it must not go to everybody instead."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0018_tag_removed"), ("campaigns", "0011_contest")]

    operations = [
        migrations.AlterField(
            "campaign",
            "tag",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="audience.tag"
            ),
        )
    ]
