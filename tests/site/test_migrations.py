"""What upgrades count on."""

from django.db.migrations.loader import MigrationLoader


def test_each_migration_is_a_transaction():
    """One that is none would leave half of itself on PostgreSQL, where all are one, and cannot run within it."""
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    assert [key for key, migration in migrations.items() if not migration.atomic] == []
