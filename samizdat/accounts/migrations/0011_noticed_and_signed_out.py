from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_settings_sealed'),
    ]

    operations = [
        migrations.AddField('membership', 'signed_out', models.DateTimeField(null=True)),
        migrations.AddField('pendingchange', 'noticed', models.DateTimeField(null=True)),
    ]
