"""A plain export is held for another admin's yes, or for a day."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("exporting", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("export", "waited", models.FloatField(default=0, db_default=0)),
        migrations.AddField("export", "begun", models.DateTimeField(null=True)),
        migrations.AddField(
            "export",
            "agreed_by",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
