import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('audience', '0006_pause'),
    ]

    operations = [
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name_index', models.BinaryField(max_length=16)),
                ('sealed', models.BinaryField()),
                ('version', models.PositiveIntegerField(default=1)),
                ('changed', models.DateTimeField()),
                ('removed', models.BooleanField(default=False)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='accounts.organisation')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('organisation', 'name_index'), name='segment_name_once')],
            },
        ),
    ]
