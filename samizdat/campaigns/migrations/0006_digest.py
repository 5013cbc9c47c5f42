"""Which letters a digest gathers, and which letter is one. Safe with the code before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_picture_library")]

    operations = [
        migrations.AddField("campaign", "digest_round", models.PositiveIntegerField(db_default=0, default=0)),
        migrations.AddField("campaign", "is_digest", models.BooleanField(db_default=False, default=False)),
    ]
