from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_feared")]

    operations = [
        migrations.AddField("person", "timezone", models.CharField(blank=True, max_length=64, default="", db_default="")),
        migrations.AddField("organisation", "second_person", models.BooleanField(default=False, db_default=False)),
    ]
