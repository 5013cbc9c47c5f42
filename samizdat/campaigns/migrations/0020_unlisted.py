from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0019_planned")]

    operations = [
        migrations.AddField("campaign", "unlisted", models.BooleanField(default=False, db_default=False)),
    ]
