"""How much the database has taken from each sender, so that one that went back in time is noticed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0015_route_waits")]

    operations = [
        migrations.AddField("worker", "written", models.BigIntegerField(db_default=0, default=0)),
    ]
