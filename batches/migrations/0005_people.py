import django.db.models.deletion
import django.utils.timezone
import templates_app.sharing
import uuid
from django.conf import settings
from django.db import migrations, models
from typing import Any


def forwards_of_sharing(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("batches", "Batch").objects
    rows.filter(private=True).update(everybody="none")
    rows.filter(private=False).update(everybody="read")


def backwards_of_sharing(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("batches", "Batch").objects
    rows.filter(everybody="none").update(private=True)
    rows.exclude(everybody="none").update(private=False)


class Migration(migrations.Migration):

    dependencies = [
        ('batches', '0004_pages'),
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='card',
            name='folded_name',
            field=models.TextField(blank=True, default='', editable=False),
        ),
        migrations.AddField(
            model_name='batch',
            name='everybody',
            field=models.CharField(choices=[('none', 'may not see it'), ('read', 'may see it'), ('edit', 'may edit it')], default=templates_app.sharing.at_first, max_length=4, verbose_name='everybody may'),
        ),
        migrations.RunPython(forwards_of_sharing, backwards_of_sharing),
        migrations.RemoveField(
            model_name='batch',
            name='private',
        ),
        migrations.CreateModel(
            name='BatchShare',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('edit', models.BooleanField(default=False)),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='batches.batch')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='auth.group')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('batch', 'group'), name='batch_share_once')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='hiddencolumns',
            name='hidden_columns_once',
        ),
        migrations.RenameModel(
            old_name='HiddenColumns',
            new_name='TableColumns',
        ),
        migrations.AlterModelOptions(
            name='tablecolumns',
            options={'verbose_name': 'columns of a table', 'verbose_name_plural': 'columns of tables'},
        ),
        migrations.RenameField(
            model_name='tablecolumns',
            old_name='names',
            new_name='hidden',
        ),
        migrations.AddField(
            model_name='tablecolumns',
            name='order',
            field=models.JSONField(default=list),
        ),
        migrations.AddConstraint(
            model_name='tablecolumns',
            constraint=models.UniqueConstraint(fields=('batch', 'user'), name='table_columns_once'),
        ),
        migrations.AddIndex(
            model_name='card',
            index=models.Index(condition=models.Q(('status', 'failed')), fields=['error_message'], name='card_failed'),
        ),
        migrations.AddIndex(
            model_name='card',
            index=models.Index(condition=models.Q(('looked_at__isnull', False), ('status', 'failed')), fields=['id'], name='card_given_up'),
        ),
        migrations.AddField(
            model_name='savedview',
            name='columns',
            field=models.JSONField(null=True),
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('address', models.CharField(max_length=1000, verbose_name='address')),
                ('sealed_secret', models.TextField(editable=False)),
                ('events', models.JSONField(default=list)),
                ('batches', models.CharField(choices=[('own', 'my own batches'), ('all', 'all batches that I may see')], default='own', max_length=3)),
                ('enabled', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='webhooks', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('event', models.CharField(choices=[('batch.finished', 'a batch is finished'), ('batch.failed', 'a batch cannot go on'), ('batch.paused', 'a batch is paused'), ('batch.reviewed', 'nothing is left to check')], max_length=20)),
                ('payload', models.JSONField()),
                ('status', models.CharField(choices=[('waiting', 'waiting'), ('delivered', 'delivered'), ('given_up', 'given up'), ('withheld', 'withheld')], default='waiting', max_length=9)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('next_at', models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ('tried_at', models.DateTimeField(null=True)),
                ('code', models.PositiveSmallIntegerField(null=True)),
                ('seconds', models.FloatField(null=True)),
                ('problem', models.CharField(blank=True, max_length=200)),
                ('batch', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='batches.batch')),
                ('webhook', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='batches.webhook')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'ordering': ('-id',),
                'indexes': [models.Index(condition=models.Q(('next_at', None), _negated=True), fields=['next_at'], name='delivery_due'), models.Index(fields=['webhook', '-id'], name='delivery_list'), models.Index(fields=['at'], name='delivery_age')],
            },
        ),
        migrations.CreateModel(
            name='ErasedCard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('card_id', models.BigIntegerField()),
                ('position', models.PositiveIntegerField()),
                ('at', models.DateTimeField()),
                ('files', models.JSONField(default=dict)),
                ('cleaned_at', models.DateTimeField(blank=True, null=True)),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='erased', to='batches.batch')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'erased card',
                'verbose_name_plural': 'erased cards',
                'ordering': ('-id',),
                'indexes': [models.Index(condition=models.Q(('cleaned_at', None)), fields=['id'], name='erased_unclean')],
                'constraints': [models.UniqueConstraint(fields=('batch', 'card_id'), name='card_erased_once')],
            },
        ),
        migrations.AddField(
            model_name='news',
            name='mail_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='news',
            name='mail_tries',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name='news',
            index=models.Index(condition=models.Q(('mail_at', None), _negated=True), fields=['mail_at'], name='news_mail'),
        ),
        migrations.AddField(
            model_name='batch',
            name='key_of',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='rereading',
            name='key_of',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='news',
            name='batch',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='news', to='batches.batch'),
        ),
        migrations.AlterField(
            model_name='news',
            name='kind',
            field=models.CharField(choices=[('finished', 'Finished'), ('paused', 'Paused'), ('flagged', 'Flagged'), ('told', 'Message'), ('inbox', 'From the inbox'), ('disk', 'Disk'), ('consumer', 'Consumer')], max_length=12),
        ),
        migrations.AddConstraint(
            model_name='news',
            constraint=models.UniqueConstraint(condition=models.Q(('batch', None), models.Q(('cause', 'over'), _negated=True)), fields=('user', 'kind'), name='news_one_outage'),
        ),
        migrations.AddField(
            model_name='tablecolumns',
            name='collection',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(
            model_name='tablecolumns',
            name='batch',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='batches.batch'),
        ),
        migrations.AddConstraint(
            model_name='tablecolumns',
            constraint=models.UniqueConstraint(condition=models.Q(('batch', None)), fields=('collection', 'user'), name='collection_columns_once'),
        ),
    ]
