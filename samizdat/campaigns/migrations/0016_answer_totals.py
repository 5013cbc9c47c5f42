import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0015_languages")]

    operations = [
        migrations.CreateModel(
            "AnswerTotal",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField()),
                ("answer", models.PositiveSmallIntegerField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                (
                    "edition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answer_totals",
                        to="campaigns.edition",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("edition", "place", "answer"), name="answer_total_once")
                ]
            },
        ),
    ]
