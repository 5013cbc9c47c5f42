"""Sign-ups by a form that wait for their confirmation. Those of an older house are found in the log of consent, once:
the worker forgets what nobody confirmed of them. Kind 0 is "asked", way 1 "form" (core/consent).
"""

import django.db.models.deletion
from django.db import migrations, models

FOUND = """INSERT INTO audience_signup (record_id, day)
    SELECT id, day FROM audience_consentrecord WHERE kind = 0 AND way = 1 AND length(blob) > 0"""


class Migration(migrations.Migration):
    dependencies = [("audience", "0022_import_place")]

    operations = [
        migrations.CreateModel(
            name="SignUp",
            fields=[
                (
                    "record",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="audience.consentrecord",
                    ),
                ),
                ("day", models.DateField()),
            ],
        ),
        migrations.AddIndex("signup", models.Index(fields=["day", "record"], name="signup_by_day")),
        migrations.RunSQL(FOUND, migrations.RunSQL.noop),
    ]
