from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exporting', '0004_export_mac'),
    ]

    operations = [
        migrations.AddField('export', 'noticed', models.DateTimeField(null=True)),
    ]
