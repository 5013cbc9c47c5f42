"""Whoever writes the database leaves something in it that goes on after its password was changed: it is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from samizdat.accounts import catalog
from samizdat.cli import doctor, opening
from samizdat.events.models import Event
from tests.conftest import NOW
from tests.web.conftest import make_person, signed_in

pytestmark = pytest.mark.django_db
PAGE = "The database runs something that is not ours"

# What sends people elsewhere again, each time after that was put back.
SQLITE = {
    "trigger": "CREATE TRIGGER back AFTER UPDATE ON accounts_organisation BEGIN "
    "UPDATE accounts_organisation SET public_url = 'https://evil.example'; END",
    "view": "CREATE VIEW back AS SELECT 1",
}
_FUNCTION = "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
POSTGRESQL = {
    "function": _FUNCTION,
    "trigger": f"{_FUNCTION}; CREATE TRIGGER back BEFORE UPDATE ON accounts_organisation "
    "FOR EACH ROW EXECUTE FUNCTION back()",
    "rule": "CREATE RULE back AS ON UPDATE TO accounts_organisation DO INSTEAD NOTHING",
    "policy": "CREATE POLICY back ON accounts_organisation USING (false)",
    "view": "CREATE VIEW back AS SELECT 1",
    "part of a table": "CREATE TABLE back () INHERITS (accounts_organisation)",
    "operator": "CREATE FUNCTION never(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT false'; "
    "CREATE OPERATOR = (FUNCTION = never, LEFTARG = varchar, RIGHTARG = varchar)",
    "function procrastinate_finish_job_v1": "CREATE FUNCTION procrastinate_finish_job_v1() RETURNS integer "
    "LANGUAGE sql AS 'SELECT 1'",
    # Beside those of the task engine: one of its own functions on a table of ours, and one of theirs on its tables.
    "trigger on": "CREATE TRIGGER back AFTER UPDATE ON accounts_organisation "
    "FOR EACH ROW EXECUTE FUNCTION procrastinate_trigger_function_scheduled_events_v1()",
    "trigger in": f"{_FUNCTION}; CREATE TRIGGER back BEFORE UPDATE ON procrastinate_jobs "
    "FOR EACH ROW EXECUTE FUNCTION back()",
}
LEFT = POSTGRESQL if connection.vendor == "postgresql" else SQLITE


def leave(statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in [statements] if "END" in statements else statements.split("; "):
            cursor.execute(statement)


@pytest.mark.parametrize("kind", LEFT)
def test_what_somebody_left_in_the_database_is_found(kind: str, db: Any) -> None:
    assert catalog.foreign() == []
    leave(LEFT[kind])
    assert any(name.startswith(kind.removesuffix(" on").removesuffix(" in")) for name in catalog.foreign())


def test_it_is_told_in_the_log_the_doctor_and_the_app_until_a_week_after_it_is_gone(
    lantern: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    editor = signed_in(make_person("Clara", "clara@lantern.example", lantern, "editor"))
    home = reverse("home", args=[lantern.slug])

    def shown(client: Any) -> bool:
        monkeypatch.setattr(catalog, "_looked", (float("-inf"), False))
        return PAGE in client.get(home).content.decode()

    monkeypatch.setattr(opening, "now", lambda: NOW)
    assert not shown(desk) and not list(doctor._foreign())
    leave(LEFT["trigger"])
    assert shown(desk), "before the worker has looked: it may be kept from writing an event"
    for minutes in (0, 10):
        catalog.watch(NOW + timedelta(minutes=minutes))
    assert Event.objects.filter(kind=catalog.ALTERED).count() == 1
    assert "samizdat doctor" in caplog.text
    assert shown(desk) and not shown(editor)
    (sign,) = doctor._foreign()
    assert sign.state == "red" and "trigger back" in sign.sentence
    with connection.cursor() as cursor:
        on = " ON accounts_organisation" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER back{on}")
        cursor.execute("DROP FUNCTION IF EXISTS back" if on else "SELECT 1")
    (sign,) = doctor._foreign()
    assert sign.state == "red" and "which is gone" in sign.sentence
    monkeypatch.setattr(opening, "now", lambda: NOW + timedelta(days=8))
    assert not list(doctor._foreign())
