"""Letters gathered in a digest: by list, and by subscription from which round on. Safe with the code before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0015_import_without_list")]

    operations = [
        migrations.AddField(
            "list", "digest_when", models.CharField(blank=True, db_default="fri", default="fri", max_length=5)
        ),
        migrations.AddField("list", "digest_due", models.DateTimeField(null=True)),
        migrations.AddField("list", "digest_round", models.PositiveIntegerField(db_default=1, default=1)),
        migrations.AddField("subscription", "digest_turn", models.PositiveIntegerField(db_default=0, default=0)),
    ]
