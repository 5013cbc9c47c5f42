from django.db import migrations, models


class Migration(migrations.Migration):
    """What is kept with a draft about its checks, and the lists that an organisation keeps for them."""

    dependencies = [("campaigns", "0007_approval"), ("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            "Checked",
            [
                (
                    "campaign",
                    models.OneToOneField(
                        "campaigns.Campaign", models.CASCADE, primary_key=True, related_name="checked", serialize=False
                    ),
                ),
                ("sealed", models.BinaryField()),
                ("changed", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            "WritingRules",
            [
                (
                    "organisation",
                    models.OneToOneField(
                        "accounts.Organisation", models.CASCADE, primary_key=True, related_name="+", serialize=False
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
        ),
    ]
