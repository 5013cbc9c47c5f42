"""Migrations: an app's first one makes its tables together, and each is done and noted in one transaction."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from unittest import mock

from django.core.management import call_command
from django.core.management.commands import migrate as migrate_command
from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddIndex, CreateModel, Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

TOGETHER = (CreateModel, AddIndex, AddConstraint)


class InitialMigration(Migration):
    """To be named in place of Django's in each 0001_initial.py; `makemigrations` does not know of it.

    Django makes classes of all models that there are after each step, some hundred times in a new installation: most of
    what `samizdat init` computes. Here it makes them once for all tables of an app.
    """

    initial = True

    def apply(
        self, project_state: ProjectState, schema_editor: BaseDatabaseSchemaEditor, collect_sql: bool = False
    ) -> ProjectState:
        if collect_sql:
            return super().apply(project_state, schema_editor, collect_sql)
        for together, steps in groupby(self.operations, lambda step: isinstance(step, TOGETHER)):
            for some in [[*steps]] if together else [[step] for step in steps]:
                self._take(some, project_state, schema_editor)
        return project_state

    def _take(self, steps: Sequence[Operation], state: ProjectState, editor: BaseDatabaseSchemaEditor) -> None:
        if len(steps) > 1:  # One step is taken as Django takes it, so that columns stand where it puts them.
            vars(state).pop("apps", None)  # The classes: made anew when they are asked for.
        before = state.clone()
        for step in steps:
            step.state_forwards(self.app_label, state)
        new = {step.name_lower for step in steps if isinstance(step, CreateModel)}
        for step in steps:
            # A table that is made here has its indexes and constraints already.
            if not (isinstance(step, AddIndex | AddConstraint) and step.model_name_lower in new):
                step.database_forwards(self.app_label, editor, before, state)


class _WholeMigrations(MigrationExecutor):
    """Notes in the transaction of a migration that it is done. Django does so in another one where there are indexes,
    and of a process that is killed between the two, the tables would be in the next one's way."""

    def apply_migration(self, state: ProjectState, migration: Migration, *more: Any, **named: Any) -> ProjectState:
        if not migration.atomic:
            return super().apply_migration(state, migration, *more, **named)
        # Where tables are changed SQLite wants it off, and does so outside of transactions alone.
        self.connection.disable_constraint_checking()
        try:
            with transaction.atomic(using=self.connection.alias):
                return super().apply_migration(state, migration, *more, **named)
        finally:
            self.connection.enable_constraint_checking()


def migrate(alias: str, *app: str) -> None:
    """The tables of this version, of all apps or of one."""
    with mock.patch.object(migrate_command, "MigrationExecutor", _WholeMigrations):  # Django has no setting for it.
        call_command("migrate", *app, database=alias, verbosity=0, interactive=False)
