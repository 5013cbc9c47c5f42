from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0003_sheet")]

    operations = [
        migrations.AddField("form", "details", models.TextField(blank=True, default="", db_default="")),
        migrations.AddField("place", "feared", models.CharField(blank=True, max_length=8, default="", db_default="")),
    ]
