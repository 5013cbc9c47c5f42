import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0002_pace'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('format', models.CharField(max_length=10)),
                ('state', models.CharField(max_length=10)),
                ('plain', models.BooleanField()),
                ('told_sealed', models.BinaryField(default=b'')),
                ('planted', models.BinaryField(default=b'', max_length=16)),
                ('index_version', models.PositiveSmallIntegerField(default=1)),
                ('counts', models.JSONField(default=dict)),
                ('done', models.BigIntegerField(default=0)),
                ('whole', models.BigIntegerField(default=0)),
                ('bytes', models.BigIntegerField(default=0)),
                ('problem', models.CharField(blank=True, max_length=40)),
                ('owner', models.CharField(blank=True, max_length=40)),
                ('beat', models.DateTimeField(null=True)),
                ('created', models.DateTimeField()),
                ('finished', models.DateTimeField(null=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='exports', to='accounts.organisation')),
            ],
        ),
        migrations.CreateModel(
            name='ExportPiece',
            fields=[
                ('pk', models.CompositePrimaryKey('export_id', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('blob', models.BinaryField()),
                ('export', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pieces', to='exporting.export')),
            ],
        ),
    ]
