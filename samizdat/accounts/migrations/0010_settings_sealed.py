"""Settings that lead people and mail somewhere, sealed beside their columns. An organisation of before says so in doctor
until its settings are saved once."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_accounts_at_an_address'),
    ]

    operations = [
        migrations.AddField(
            'organisation', 'settings_sealed', models.BinaryField(db_default=b'', default=b'')
        ),
    ]
