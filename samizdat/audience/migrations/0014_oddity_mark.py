"""A partial index is of no use to SQLite where its condition comes as a parameter."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0013_oddities")]

    operations = [
        migrations.RemoveIndex("oddity", "oddity_by_mark"),
        migrations.AddIndex("oddity", models.Index(fields=["organisation", "mark"], name="oddity_by_mark")),
    ]
