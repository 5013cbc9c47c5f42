"""Roles, invitations and waiting changes get a MAC. A migration has no keys, so roles of before are given once more:
`samizdat person add ADDRESS --role ROLE`."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_pendingchange'),
    ]

    operations = [
        migrations.AddField('membership', 'since', models.DateTimeField(null=True)),
        migrations.AddField('membership', 'mac', models.BinaryField(db_default=b'', default=b'', max_length=32)),
        migrations.AddField('invitation', 'mac', models.BinaryField(db_default=b'', default=b'', max_length=32)),
        migrations.AddField('pendingchange', 'mac', models.BinaryField(db_default=b'', default=b'', max_length=32)),
    ]
