from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gate", "0012_intake_kinds")]

    operations = [
        migrations.RemoveField("place", "box_key"),
        migrations.RemoveField("place", "box_number"),
    ]
