from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_pace")]

    operations = [
        migrations.AddField(
            "organisation", "feared", models.CharField(blank=True, max_length=8, default="", db_default="")
        ),
    ]
