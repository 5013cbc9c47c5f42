from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0004_fields_with_kinds")]

    operations = [
        migrations.AddField("subscription", "paused", models.DateField(null=True)),
        migrations.AddField("subscription", "frequency", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddIndex(
            "subscription",
            models.Index(condition=models.Q(paused__isnull=False), fields=["paused"], name="subscription_paused"),
        ),
        migrations.AddIndex(
            "subscription",
            models.Index(condition=models.Q(frequency__gt=0), fields=["list"], name="subscription_seldom"),
        ),
    ]
