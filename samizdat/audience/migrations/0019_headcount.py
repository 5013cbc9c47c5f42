import django.db.models.deletion
from django.db import migrations, models

COUNTED = """INSERT INTO audience_headcount (organisation_id, more)
    SELECT organisation_id, COUNT(*) FROM audience_subscriber GROUP BY organisation_id"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_second_person"),
        ("audience", "0018_tag_removed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Headcount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("more", models.BigIntegerField()),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organisation"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(COUNTED, migrations.RunSQL.noop),
    ]
