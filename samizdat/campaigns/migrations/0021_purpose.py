from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0020_unlisted")]

    operations = [
        migrations.AddField("campaign", "purpose", models.PositiveSmallIntegerField(default=0, db_default=0)),
    ]
