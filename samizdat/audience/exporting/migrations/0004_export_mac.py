"""Exports that wait get a MAC; one that waits while this runs is asked for again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exporting', '0003_recipientkey'),
    ]

    operations = [
        migrations.AddField('export', 'mac', models.BinaryField(db_default=b'', default=b'', max_length=32)),
    ]
