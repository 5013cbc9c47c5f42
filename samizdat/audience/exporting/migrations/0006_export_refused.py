from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exporting', '0005_export_noticed'),
    ]

    operations = [
        migrations.AddField('export', 'refused', models.DateTimeField(null=True)),
        migrations.AddField('export', 'tried', models.DateTimeField(null=True)),
    ]
