import batches.models.clearing
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('batches', '0005_people'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('ocr', '0004_one_rest_for_all'),
    ]

    operations = [
        migrations.AddField(
            model_name='batch',
            name='going',
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.CreateModel(
            name='Clearing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(default=batches.models.clearing.new_token, max_length=16, unique=True)),
                ('kind', models.CharField(choices=[('finished', 'Finished batches'), ('drafts', 'Drafts that were never started'), ('trash', 'Batches in the trash'), ('replies', 'Raw replies of engines'), ('readings', 'Readings that were replaced'), ('leftovers', 'Sessions, tokens, read notices')], max_length=10)),
                ('before', models.DateTimeField()),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'deletion of what is old',
                'verbose_name_plural': 'deletions of what is old',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='ClearingItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('batch', models.BigIntegerField(null=True)),
                ('uid', models.CharField(blank=True, max_length=10)),
                ('label', models.CharField(max_length=120, null=True)),
                ('name', models.CharField(max_length=200)),
                ('version', models.BigIntegerField(default=0)),
                ('cards', models.PositiveIntegerField(default=0)),
                ('reviewed', models.PositiveIntegerField(default=0)),
                ('number', models.PositiveIntegerField(default=0)),
                ('bytes', models.BigIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('state', models.CharField(choices=[('waiting', 'waits'), ('begun', 'being deleted'), ('rows_gone', 'files being deleted'), ('done', 'deleted'), ('left', 'left as it is')], default='waiting', max_length=10)),
                ('why', models.CharField(blank=True, max_length=20)),
                ('clearing', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='batches.clearing')),
            ],
            options={
                'verbose_name': 'part of a deletion',
                'verbose_name_plural': 'parts of deletions',
                'ordering': ('id',),
            },
        ),
        migrations.AddIndex(
            model_name='clearing',
            index=models.Index(condition=models.Q(('confirmed_at__isnull', False), ('finished_at', None)), fields=['id'], name='clearing_due'),
        ),
        migrations.AddConstraint(
            model_name='clearingitem',
            constraint=models.UniqueConstraint(condition=models.Q(('batch', None), _negated=True), fields=('clearing', 'batch'), name='clearing_batch_once'),
        ),
        migrations.CreateModel(
            name='Pace',
            fields=[
                ('engine', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='pace', serialize=False, to='ocr.engine')),
                ('calls', models.PositiveIntegerField(default=1)),
                ('climbing', models.BooleanField(default=True)),
                ('answers', models.PositiveIntegerField(default=0)),
                ('turn', models.PositiveIntegerField(default=0)),
                ('learnt_at', models.DateTimeField(null=True)),
                ('probe_at', models.DateTimeField(null=True)),
                ('probe_delay', models.FloatField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Share',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('wanted', models.PositiveIntegerField(default=0)),
                ('awaited', models.PositiveIntegerField(default=0)),
                ('granted', models.PositiveIntegerField(default=0)),
                ('in_flight', models.PositiveIntegerField(default=0)),
                ('may_probe', models.BooleanField(default=False)),
                ('engine', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='ocr.engine')),
                ('worker', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='batches.worker')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('engine', 'worker'), name='share_once')],
            },
        ),
    ]
