import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from typing import Any


def forwards_of_role(apps: Any, schema_editor: Any) -> None:
    """Everybody goes on as before; only administrators are staff from now on."""
    people = apps.get_model("accounts", "User").objects
    people.filter(is_superuser=True).update(role="administrator", is_staff=True)
    people.filter(is_superuser=False).update(role="operator", is_staff=False)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_profile'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccessToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('sign_in', 'sign-in'), ('script', 'for a script')], max_length=8)),
                ('name', models.CharField(blank=True, max_length=100, verbose_name='name')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('scope', models.CharField(choices=[('read', 'look and export'), ('write', 'look and change'), ('admin', 'all that I may do')], default='read', max_length=5, verbose_name='scope')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('last_used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='access_tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-id',),
                'indexes': [models.Index(fields=['kind', 'expires_at'], name='access_token_expiry')],
            },
        ),
        migrations.CreateModel(
            name='IdempotentReply',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200)),
                ('request', models.CharField(max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('body', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'key'), name='idempotency_key_once')],
            },
        ),
        migrations.AddField(
            model_name='user',
            name='role',
            field=models.CharField(blank=True, choices=[('', 'none: signs in and sees nothing'), ('viewer', 'viewer: looks and exports'), ('reviewer', 'reviewer: also corrects and checks'), ('operator', 'operator: also makes, starts and shares batches'), ('administrator', 'administrator: everything, of everybody')], default='operator', max_length=16, verbose_name='role'),
        ),
        migrations.RunPython(forwards_of_role, migrations.RunPython.noop),
        migrations.AddField(
            model_name="user",
            name="updated_at",
            field=models.DateTimeField(auto_now=True, default=django.utils.timezone.now, verbose_name="changed"),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('actor', models.UUIDField(null=True)),
                ('actor_name', models.CharField(blank=True, max_length=150)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('act', models.CharField(max_length=24)),
                ('object_kind', models.CharField(blank=True, max_length=24)),
                ('object_id', models.CharField(blank=True, max_length=64)),
                ('object_name', models.CharField(blank=True, max_length=200)),
                ('outcome', models.CharField(choices=[('done', 'done'), ('refused', 'refused'), ('failed', 'failed')], default='done', max_length=8)),
                ('details', models.JSONField(default=dict)),
                ('request_id', models.CharField(blank=True, max_length=64)),
            ],
            options={
                'verbose_name': 'entry of the audit log',
                'verbose_name_plural': 'audit log',
                'ordering': ('-at', '-id'),
                'indexes': [models.Index(fields=['-at', '-id'], name='audit_at'), models.Index(fields=['actor', '-at', '-id'], name='audit_actor'), models.Index(fields=['act', '-at', '-id'], name='audit_act'), models.Index(fields=['object_kind', 'object_id', '-at', '-id'], name='audit_object')],
            },
        ),
        migrations.AddField(
            model_name='user',
            name='source',
            field=models.CharField(blank=True, choices=[('', 'here, by a password'), ('proxy', 'the proxy in front, by a header')], default='', max_length=8, verbose_name='signs in'),
        ),
        migrations.AddField(
            model_name='user',
            name='outside_groups',
            field=models.JSONField(blank=True, default=list, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='role_by_group',
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='mail',
            field=models.BooleanField(default=False, verbose_name='mail when a batch is done or paused'),
        ),
        migrations.AlterField(
            model_name='user',
            name='source',
            field=models.CharField(blank=True, choices=[('', 'here, by a password'), ('proxy', 'the proxy in front, by a header'), ('oidc', 'by OpenID Connect')], default='', max_length=8, verbose_name='signs in'),
        ),
        migrations.CreateModel(
            name='ResetAsked',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.CharField(max_length=254)),
                ('language', models.CharField(max_length=8)),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('due_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('role', models.CharField(blank=True, choices=[('', 'none: signs in and sees nothing'), ('viewer', 'viewer: looks and exports'), ('reviewer', 'reviewer: also corrects and checks'), ('operator', 'operator: also makes, starts and shares batches'), ('administrator', 'administrator: everything, of everybody')], max_length=16, verbose_name='role')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('groups', models.ManyToManyField(blank=True, related_name='+', to='auth.group')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='invitations', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-made_at', '-id'),
            },
        ),
        migrations.AlterField(
            model_name='user',
            name='source',
            field=models.CharField(blank=True, choices=[('', 'here, by a password'), ('proxy', 'the proxy in front, by a header'), ('oidc', 'by OpenID Connect'), ('ldap', 'by a directory (LDAP)')], default='', max_length=8, verbose_name='signs in'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['outcome', '-at', '-id'], name='audit_outcome'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['address', '-at', '-id'], name='audit_address'),
        ),
    ]
