import django.db.models.deletion
from django.db import migrations, models

import samizdat.audience.models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_pace"), ("audience", "0009_desk_filters")]

    operations = [
        migrations.CreateModel(
            name="SignUpForm",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        default=samizdat.audience.models.new_form_number, primary_key=True, serialize=False
                    ),
                ),
                ("slug", models.CharField(max_length=40, unique=True)),
                ("sealed", models.BinaryField()),
                ("created", models.DateField()),
                ("removed", models.DateField(null=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_up_forms",
                        to="accounts.organisation",
                    ),
                ),
            ],
        ),
    ]
