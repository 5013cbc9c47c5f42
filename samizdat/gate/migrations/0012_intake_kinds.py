from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual


class Migration(migrations.Migration):
    dependencies = [("gate", "0011_uptake")]

    operations = [
        migrations.AddField(
            "intake", "kind", models.CharField(blank=True, db_default="", default="", max_length=8)
        ),
        migrations.AddField("intake", "mark", models.BinaryField(max_length=16, null=True)),
        migrations.AddField("intake", "put_off", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddIndex(
            "intake", models.Index(fields=["kind", "put_off", "place", "id"], name="intake_in_turn")
        ),
        migrations.AddConstraint(
            "intake",
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("kind"), 8) & LessThanOrEqual(Length("mark"), 16),
                name="intake_says_little",
            ),
        ),
        migrations.AddConstraint(
            "intake", models.UniqueConstraint(fields=("place", "kind", "mark"), name="intake_one_of_a_mark")
        ),
        migrations.DeleteModel("Uptake"),
    ]
