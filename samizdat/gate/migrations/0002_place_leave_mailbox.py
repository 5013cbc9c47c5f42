from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gate", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="place", name="leave_mailbox", field=models.CharField(blank=True, default="", max_length=254), preserve_default=False
        ),
    ]
