"""What another organization has is neither shown nor touched, wherever its numbers are put (threat model, T18).

An address with a foreign number in it is test_permissions.py's. Here the numbers stand in everything else that a page
reads: what pages ask of a request is written down while they answer, so nobody has to name a parameter or a field.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from django.apps import apps
from django.db import connection, transaction
from django.db.models.signals import post_init, pre_save
from django.http import QueryDict
from django.test import Client

from samizdat.accounts import sealed_settings
from samizdat.cli.__main__ import samizdat
from samizdat.health import reports
from tests.test_schema import OUR_APPS
from tests.web.conftest import House, signed_in
from tests.web.controls import Controls, Form
from tests.web.test_permissions import INSIDE, _address

# The number of the first row of every table of the other organization: one word asks for a list, a tag, a person.
THEIRS = 7_000_001
WRITES = re.compile(r'^(?:INSERT(?: OR IGNORE)? INTO|UPDATE|DELETE FROM) "(\w+)"')
Rows = dict[str, set[tuple[Any, ...]]]


def numbered(there: Callable[[], House]) -> House:
    """`there`, its rows numbered from THEIRS on."""
    from samizdat.audience.models import List

    def number(instance: Any, **_more: Any) -> None:
        if instance._state.adding and not List.objects.filter(pk=THEIRS).exists():
            instance.pk = THEIRS

    with connection.cursor() as cursor:
        for name in set(connection.introspection.table_names(cursor)) - {"accounts_organization"}:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [name])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [name, THEIRS - 1])
    pre_save.connect(number, List)  # The one table whose numbers are drawn and stand on pages as they are.
    try:
        return there()
    finally:
        pre_save.disconnect(number, List)


# The public database is a database of its own, which the desk's pages do not write.
OURS = set(OUR_APPS) - {"publicdb"} | {"portability"}
MODELS = {model._meta.db_table: model for model in apps.get_models() if model._meta.app_label in OURS}


def rows(names: Iterable[str] = MODELS) -> Rows:
    """All rows of these tables, in the order of the model's columns."""
    found: Rows = {}
    with connection.cursor() as cursor:
        for name in names:
            columns = ", ".join(connection.ops.quote_name(column.column) for column in columns_of(name))
            cursor.execute(f"SELECT {columns} FROM {connection.ops.quote_name(name)}")
            found[name] = set(cursor.fetchall())
    return found


def columns_of(name: str) -> list[Any]:
    return [column for column in MODELS[name]._meta.concrete_fields if column.column]


# Tables of the whole installation: which copy of it may send.
OF_ALL = {"delivery_epochrecord"}


class Watch:
    """Whether a request came near rows of the other organization. `near`: what it did, in words."""

    def __init__(self, before: Rows, theirs: House) -> None:
        self.now = rows()
        self.theirs = {name: held - before[name] for name, held in self.now.items()}
        self.organization = theirs.organization
        self.near: list[str] = []
        self.asked: set[str] = set()
        self._written: set[str] = set()
        numbers = {name: self._numbers(name) for name in MODELS}
        self._points = {
            name: [
                (at, numbers[column.related_model._meta.db_table])
                for at, column in enumerate(columns_of(name))
                if column.related_model and column.related_model._meta.db_table in numbers
            ]
            for name in MODELS
        }

    def _numbers(self, name: str) -> set[Any]:
        """Of the rows that they have there."""
        return {row[at] for row in self.theirs[name] for at, one in enumerate(columns_of(name)) if one.primary_key}

    def loaded(self, instance: Any, **_more: Any) -> None:
        if instance.__dict__.get("organization_id") == self.organization.pk:
            self.near.append(f"read a row of {type(instance).__name__}")

    def execute(self, execute: Any, sql: str, *more: Any) -> Any:
        if found := WRITES.match(sql):
            self._written.add(found[1])
        return execute(sql, *more)

    def look(self, answer: Any) -> list[str]:
        """What a request did that it must not. Begins anew."""
        for name, held in rows(self._written & self.now.keys()).items():
            if name not in OF_ALL and not self.theirs[name] <= held:
                self.near.append(f"changed {name}")
            for row in held - self.now[name]:
                self.near += [f"points at them: {name}" for at, numbers in self._points[name] if row[at] in numbers]
        page = b"".join(answer.streaming_content) if answer.streaming else answer.content
        self.near += [f"shows {word!r}" for word in (b"Harbour Bell", b"bell.example") if word in page]
        near, self.near, self._written = self.near, [], set()
        return near


@contextmanager
def watched(watch: Watch, patch: pytest.MonkeyPatch) -> Iterator[None]:
    from samizdat.vault import keyring

    keys, item, several, has = keyring.keys, QueryDict.__getitem__, QueryDict.getlist, QueryDict.__contains__

    def opened(organization: Any) -> Any:
        if organization.id == watch.organization.pk:
            watch.near.append("asked for their keys")
        return keys(organization)

    def noted(ask: Any) -> Any:
        def asked(self: Any, name: str, *more: Any) -> Any:
            watch.asked.add(name)
            return ask(self, name, *more)

        return asked

    patch.setattr(keyring, "keys", opened)
    patch.setattr(QueryDict, "__getitem__", noted(item))
    patch.setattr(QueryDict, "getlist", noted(several))
    patch.setattr(QueryDict, "__contains__", noted(has))
    post_init.connect(watch.loaded)
    try:
        with connection.execute_wrapper(watch.execute):
            yield
    finally:
        post_init.disconnect(watch.loaded)


class Crawl:
    """Requests of one person, each of which is taken back."""

    def __init__(self, client: Client, watch: Watch, pairs: Iterable[tuple[Any, Any]]) -> None:
        self.client, self.watch = client, watch
        self.other = {str(mine): str(foreign) for mine, foreign in pairs if isinstance(mine, str) and mine != foreign}
        self.wrong: list[str] = []
        self.count = 0

    def ask(self, method: str, address: str, told: dict[str, Any], which: str = "") -> Any:
        self.watch.asked = set()
        with transaction.atomic():
            answer = getattr(self.client, method)(address, told)
            near = self.watch.look(answer)
            transaction.set_rollback(True)
        self.count += 1
        self.wrong += [f"{method} {address} {which}: {deed}" for deed in near]
        return answer

    def vary(self, method: str, address: str, told: dict[str, Any], typed: Iterable[str] = ()) -> Any:
        """As the page has it; then each parameter that it asked for with a foreign number in it."""
        answer = self.ask(method, address, told)
        for name in sorted((self.watch.asked | told.keys()) - {*typed, *NO_NUMBERS}):
            held = told.get(name, "")
            value = "".join(held[:1]) if isinstance(held, list) else held
            self.ask(method, address, told | {name: self.other.get(value, THEIRS)}, name)
        return answer


NO_NUMBERS = {"csrfmiddlewaretoken", "keep_typed", "language"}


@pytest.mark.once
def test_no_number_of_another_organization_in_any_parameter_or_field_reaches_it(
    here: House, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = here.ids()
    client = signed_in(here.people["admin"])
    before = rows()
    there = numbered(lambda: request.getfixturevalue("there"))
    theirs = there.ids()
    watch = Watch(before, there)
    crawl = Crawl(client, watch, zip(ours.values(), theirs.values(), strict=True))
    # What others claim is asked of all settings, whatever a page is asked for (delivery/domain_ownership.py).
    assert all(kept.known for _number, kept in sealed_settings.of_others(here.organization))
    forms: dict[str, list[Any]] = {}
    # The worker's look at the whole installation; each organization has a report of its own.
    monkeypatch.setattr(reports, "look", lambda _now: None)
    with watched(watch, monkeypatch):
        for pattern in INSIDE:
            address = _address(pattern, ours)
            if not pattern.callback.door["see"]:  # type: ignore[attr-defined]
                continue
            answer = crawl.vary("get", address, {})
            if not answer.streaming:
                for form in Controls(answer.content.decode(errors="replace")).forms:
                    forms.setdefault(form.action or address, []).append(form)
        for pattern in INSIDE:
            if pattern.callback.door["do"]:  # type: ignore[attr-defined]
                address = _address(pattern, ours)
                sent = {str(sorted(form.sent)): form for form in forms.pop(address, [])}
                for form in sent.values() or [Form("post", address)]:
                    crawl.vary("post", address, form.sent, form.typed)
    assert crawl.wrong == []
    assert crawl.count > 600, "each page with each of its parameters"


def commands(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


@pytest.mark.once
def test_no_number_of_another_organization_reaches_it_on_the_command_line(
    here: House, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the machine may name any organization; a number that was typed wrong must not lead into another."""
    before = rows()
    watch = Watch(before, numbered(lambda: request.getfixturevalue("there")))
    monkeypatch.setattr("samizdat.cli.bootstrap.open_house", lambda **_more: None)
    monkeypatch.setattr("samizdat.cli.bootstrap.organization", lambda: here.organization)
    wrong, asked = [], 0
    with watched(watch, monkeypatch):
        for names, command in commands(samizdat):
            given = [param for param in command.params if isinstance(param, click.Argument)]
            if not any(isinstance(param.type, click.types.IntParamType) for param in given):
                continue
            if names[:2] == ("backup", "place"):
                continue  # Of the whole installation, and in the log of each organization.
            words = [str(THEIRS) if isinstance(param.type, click.types.IntParamType) else "x" for param in given]
            sure = ["--yes"] if any("--yes" in param.opts for param in command.params) else []
            with transaction.atomic():
                told = CliRunner().invoke(samizdat, [*names, *words, *sure], standalone_mode=False)
                near = watch.look(SimpleNamespace(streaming=False, content=told.output.encode()))
                transaction.set_rollback(True)
            asked += 1
            wrong += [f"{' '.join(names)}: {deed}" for deed in near]
    assert wrong == []
    assert asked > 20
