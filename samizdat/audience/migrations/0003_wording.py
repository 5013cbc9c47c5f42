import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_pace'),
        ('audience', '0002_field_removed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Wording',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.PositiveSmallIntegerField(default=0)),
                ('language', models.CharField(max_length=8)),
                ('version', models.PositiveIntegerField()),
                ('text_sealed', models.BinaryField()),
                ('since', models.DateField()),
                ('list', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='wordings', to='audience.list')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='wordings', to='accounts.organisation')),
            ],
        ),
        migrations.AddConstraint(
            model_name='wording',
            constraint=models.UniqueConstraint(fields=('list', 'purpose', 'language', 'version'), name='wording_version_once'),
        ),
    ]
