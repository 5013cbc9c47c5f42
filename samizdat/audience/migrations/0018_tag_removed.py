from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audience", "0017_subscription_unbound")]

    operations = [migrations.AddField("tag", "removed", models.BooleanField(default=False, db_default=False))]
