import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_segment")]

    operations = [
        migrations.AddField("picture", "facts_sealed", models.BinaryField(default=b"", db_default=b"")),
        migrations.AddField("picture", "whole_sealed", models.BinaryField(default=b"", db_default=b"")),
        migrations.AddField("picture", "thumb_sealed", models.BinaryField(default=b"", db_default=b"")),
        migrations.AddField("picture", "weight", models.PositiveIntegerField(default=0, db_default=0)),
        migrations.AddField(
            "picture",
            "parent",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="cuts", to="campaigns.picture"
            ),
        ),
        migrations.AddIndex("picture", models.Index(fields=["organisation", "-id"], name="picture_newest")),
    ]
