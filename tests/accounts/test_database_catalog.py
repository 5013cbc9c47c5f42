"""Whoever writes the database leaves something in it that goes on after its password was changed: it is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from samizdat import dbclock
from samizdat.accounts import database_catalog
from samizdat.events.models import Event
from samizdat.health import installation
from samizdat.publicdb.actions import make_public_role
from tests.conftest import NOW
from tests.web.conftest import make_person, signed_in

pytestmark = pytest.mark.django_db
PAGE = "The database isn’t as Samizdat created it"

# What sends people elsewhere again, each time after that was put back, deletes or copies what comes later.
SQLITE = {
    "trigger back": "CREATE TRIGGER back AFTER UPDATE ON accounts_organization BEGIN "
    "UPDATE accounts_organization SET public_url = 'https://evil.example'; END",
    "view back": "CREATE VIEW back AS SELECT 1",
    "table back": "CREATE TABLE back (id)",
    "index back": "CREATE UNIQUE INDEX back ON accounts_organization (lower(name))",
    "index consent_of_subscriber is missing": "DROP INDEX consent_of_subscriber",
    "table events_event is not as we make it": "ALTER TABLE events_event ADD COLUMN back text DEFAULT 'x'",
    "table vault_vaultkey is not as we make it": "ALTER TABLE vault_vaultkey ADD COLUMN back text AS (hex(wrapped))",
    "table delivery_retry is missing": "ALTER TABLE delivery_retry RENAME TO back",
}
_FUNCTION = "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
_ON = " on public.accounts_organization"
_POINTING = "audience_segment_organization_id_70c105c4_fk_accounts_"
POSTGRESQL = {
    "function public.back()": _FUNCTION,
    f"trigger back{_ON}": f"{_FUNCTION}; CREATE TRIGGER back BEFORE UPDATE ON accounts_organization "
    "FOR EACH ROW EXECUTE FUNCTION back()",
    f"rule back{_ON}": "CREATE RULE back AS ON UPDATE TO accounts_organization DO INSTEAD NOTHING",
    f"policy back{_ON}": "CREATE POLICY back ON accounts_organization USING (false)",
    "table public.audience_list is not as we make it": "ALTER TABLE audience_list ENABLE ROW LEVEL SECURITY",
    "view public.back": "CREATE VIEW back AS SELECT 1",
    "materialized view public.back": "CREATE MATERIALIZED VIEW back AS SELECT 1",
    "table public.back": "CREATE TABLE back ()",
    f"part of a table public.back{_ON}": "CREATE TABLE back () INHERITS (accounts_organization)",
    "operator =": "CREATE FUNCTION never(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT false'; "
    "CREATE OPERATOR = (FUNCTION = never, LEFTARG = varchar, RIGHTARG = varchar)",
    "type public.jsonb": "CREATE DOMAIN jsonb AS text",
    "cast public.back to bytea": "CREATE TYPE back AS ENUM ('x'); CREATE CAST (back AS bytea) WITH INOUT",
    "function public.procrastinate_finish_job_v1()": "CREATE FUNCTION procrastinate_finish_job_v1() RETURNS integer "
    "LANGUAGE sql AS 'SELECT 1'",
    "function public.procrastinate_update_heartbeat_v1(worker_id bigint) is not as we make it": "CREATE OR REPLACE "
    "FUNCTION procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void LANGUAGE plpgsql AS 'BEGIN END'",
    # Beside those of the task engine: one of its own functions on a table of ours, and one of theirs on its tables.
    f"trigger engine{_ON}": "CREATE TRIGGER engine AFTER UPDATE ON accounts_organization "
    "FOR EACH ROW EXECUTE FUNCTION procrastinate_trigger_function_scheduled_events_v1()",
    "trigger back on public.procrastinate_jobs": f"{_FUNCTION}; CREATE TRIGGER back BEFORE UPDATE ON "
    "procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION back()",
    "trigger procrastinate_trigger_delete_jobs_v1 on public.procrastinate_jobs is not as we make it": "ALTER TABLE "
    "procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_delete_jobs_v1",
    "event trigger back": "CREATE FUNCTION back() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'; "
    "CREATE EVENT TRIGGER back ON ddl_command_end EXECUTE FUNCTION back()",
    f"constraint back{_ON}": "ALTER TABLE accounts_organization ADD CONSTRAINT back CHECK (slug <> 'x')",
    "constraint campaigns_picture_width_check on public.campaigns_picture is missing": "ALTER TABLE campaigns_picture "
    "DROP CONSTRAINT campaigns_picture_width_check",
    f"constraint {_POINTING} on public.audience_segment is not as we make it": "ALTER TABLE audience_segment "
    f"DROP CONSTRAINT {_POINTING}, ADD CONSTRAINT {_POINTING} FOREIGN KEY (organization_id) "
    "REFERENCES accounts_organization ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    f"column public_url{_ON} is not as we make it": "ALTER TABLE accounts_organization "
    "ALTER public_url SET DEFAULT 'https://evil.example'",
    f"column slug{_ON} is not as we make it": "ALTER TABLE accounts_organization ALTER slug DROP NOT NULL",
    f"column back{_ON}": "ALTER TABLE accounts_organization ADD back integer GENERATED ALWAYS AS (1) STORED",
    f"index back{_ON}": "CREATE INDEX back ON accounts_organization (lower(name))",
    f"statistics back{_ON}": "CREATE STATISTICS back ON (lower(name)) FROM accounts_organization",
    "sequence audience_consentrecord_id_seq on public.audience_consentrecord is not as we make it": "ALTER SEQUENCE "
    "audience_consentrecord_id_seq INCREMENT BY -1 MINVALUE 1 RESTART WITH 1000000000",
    "sequence events_event_id_seq on public.events_event is not as we make it": "ALTER SEQUENCE events_event_id_seq "
    "CYCLE",
    # Not by setval: no rollback takes that back, and the next tests of this process would number their events anew.
    "sequence public.events_event_id_seq is behind its table": "INSERT INTO events_event "
    "(id, kind, at, digest, detail, handled) VALUES (1000000000000, 'x', now(), '', '', true)",
    "type public.procrastinate_job_status is not as we make it": "ALTER TYPE procrastinate_job_status "
    "RENAME VALUE 'todo' TO 'done'",
    "schema back": "CREATE SCHEMA back",
    "extension pg_trgm": "CREATE EXTENSION pg_trgm",
    "publication back": "CREATE PUBLICATION back FOR TABLE audience_subscriber",
    "publication all": 'CREATE PUBLICATION "all" FOR ALL TABLES',
    "subscription back": "CREATE SUBSCRIPTION back CONNECTION 'host=evil.example' PUBLICATION back "
    "WITH (connect = false)",
    "foreign data wrapper back": "CREATE FOREIGN DATA WRAPPER back",
    "foreign server back": "CREATE FOREIGN DATA WRAPPER back; CREATE SERVER back FOREIGN DATA WRAPPER back",
    "foreign table public.back": "CREATE FOREIGN DATA WRAPPER back; CREATE SERVER back FOREIGN DATA WRAPPER back; "
    "CREATE FOREIGN TABLE back (id integer) SERVER back",
    "setting search_path of role postgres in this database": "ALTER ROLE postgres IN DATABASE {database} "
    "SET search_path = evil, public",
    "setting search_path in this database": "ALTER DATABASE {database} SET search_path = 'work_mem=', evil",
    "setting synchronous_commit in this database": "ALTER DATABASE {database} SET synchronous_commit = off",
    "role back with SELECT on public.audience_subscriber": "CREATE ROLE back LOGIN; "
    "GRANT SELECT ON audience_subscriber TO back",
    "role back with UPDATE on public.audience_list": "CREATE ROLE back LOGIN; "
    "GRANT UPDATE (id) ON audience_list TO back",
    "role back with OWNER on public.audience_list": "CREATE ROLE back LOGIN; ALTER TABLE audience_list OWNER TO back",
    "role PUBLIC with DELETE on public.audience_list": "GRANT DELETE ON audience_list TO PUBLIC",
    "role samizdat_public_back with DELETE on publicdb.publicdb_intake": "CREATE ROLE samizdat_public_back LOGIN; "
    "GRANT SELECT ON publicdb.publicdb_page TO samizdat_public_back; "
    "GRANT DELETE ON publicdb.publicdb_intake TO samizdat_public_back",
    "role back as a member of postgres": "CREATE ROLE back LOGIN; GRANT postgres TO back",
    "role back as a member of pg_read_all_data": "CREATE ROLE back LOGIN; GRANT pg_read_all_data TO back",
    "default rights of back": "CREATE ROLE back LOGIN; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO back",
}
LEFT = POSTGRESQL if connection.vendor == "postgresql" else SQLITE
TRIGGER = next(name for name in LEFT if name.startswith("trigger"))


def leave(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements.replace("{database}", connection.ops.quote_name(connection.settings_dict["NAME"])))


@pytest.mark.parametrize("name", LEFT)
def test_what_somebody_left_in_the_database_is_found(name: str, db: Any) -> None:
    assert database_catalog.foreign() == []
    leave(LEFT[name])
    assert name in database_catalog.foreign()


def test_what_a_host_and_our_own_documents_put_there_is_no_alarm(db: Any) -> None:
    if connection.vendor != "postgresql":
        leave("ANALYZE")
        assert database_catalog.foreign() == []
        return
    leave(
        # Extensions and settings that hosts and Django's own documents ask for, and a host's admin who made our role.
        "CREATE EXTENSION pg_stat_statements; ALTER DATABASE {database} SET timezone = 'UTC'; "
        "ALTER ROLE postgres IN DATABASE {database} SET default_transaction_isolation = 'read committed'; "
        "CREATE ROLE host SUPERUSER LOGIN; CREATE ROLE pgbouncer LOGIN; CREATE ROLE somebody LOGIN; SET ROLE host; "
        "CREATE SCHEMA host; CREATE TABLE host.metrics (); CREATE VIEW host.seen AS SELECT 1; "
        "CREATE FUNCTION host.lookup() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; "
        "GRANT USAGE ON SCHEMA host TO pgbouncer; GRANT EXECUTE ON FUNCTION host.lookup() TO pgbouncer; RESET ROLE"
    )
    assert make_public_role(connection, "secret", "samizdat_public_tests")
    assert database_catalog.foreign() == []


def test_tables_that_belong_to_another_superuser_are_still_ours(db: Any) -> None:
    """As where the host's admin put a backup back."""
    if connection.vendor != "postgresql":
        return
    leave("CREATE ROLE host SUPERUSER; ALTER TABLE audience_list OWNER TO host")
    assert database_catalog.foreign() == []
    leave("CREATE ROLE back LOGIN; GRANT SELECT ON audience_list TO back")
    assert database_catalog.foreign() == ["role back with SELECT on public.audience_list"]


def test_our_role_need_not_be_a_superuser(db: Any) -> None:
    if connection.vendor != "postgresql":
        return
    leave(
        "CREATE ROLE house; GRANT CREATE ON SCHEMA public TO house; GRANT SELECT ON audience_list TO house; "
        "SET ROLE house"
    )
    assert database_catalog.foreign() == []
    leave("CREATE FUNCTION back() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert database_catalog.foreign() == ["function public.back()"]


def test_nobody_hides_a_function_in_an_extension_of_theirs(db: Any) -> None:
    if connection.vendor != "postgresql":
        return
    leave(
        "CREATE ROLE house; GRANT CREATE ON SCHEMA public TO house; CREATE EXTENSION pg_stat_statements; "
        "SET ROLE house; CREATE FUNCTION back() RETURNS integer LANGUAGE sql AS 'SELECT 1'; RESET ROLE; "
        "ALTER EXTENSION pg_stat_statements ADD FUNCTION back(); SET ROLE house"
    )
    assert database_catalog.foreign() == ["function public.back()"]


def test_the_look_is_led_astray_by_no_table_or_function_that_stands_before_ours(db: Any) -> None:
    if connection.vendor != "postgresql":
        return
    leave(
        "CREATE SCHEMA back; CREATE FUNCTION back.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'; "
        "CREATE TABLE back.pg_class (); SET LOCAL search_path = back, pg_catalog, public"
    )
    names = ["function back.sha256(bytea)", "schema back", "table back.pg_class"]
    assert database_catalog.foreign() == names
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("back, pg_catalog, public",), "what it was before the look"


def test_it_is_told_in_the_log_the_doctor_and_the_app_until_a_week_after_it_is_gone(
    lantern: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    editor = signed_in(make_person("Clara", "clara@lantern.example", lantern, "editor"))
    home = reverse("home", args=[lantern.slug])

    def shown(client: Any) -> bool:
        monkeypatch.setattr(database_catalog, "_looked", (float("-inf"), False))
        return PAGE in client.get(home).content.decode()

    monkeypatch.setattr(dbclock, "asked", lambda: NOW)
    assert not shown(desk) and not list(installation.foreign())
    leave(LEFT[TRIGGER])
    forged = Event.objects.create(organization=lantern, kind=database_catalog.ALTERED, at=NOW, digest=bytes(32))
    assert shown(desk), "before the worker has looked: it may be kept from writing an event"
    for minutes in (0, 10):
        database_catalog.watch(NOW + timedelta(minutes=minutes))
    assert Event.objects.filter(kind=database_catalog.ALTERED).exclude(pk=forged.pk).count() == 1
    assert "samizdat doctor" in caplog.text
    assert shown(desk) and not shown(editor)
    *signs, last = installation.foreign()
    assert {sign.state for sign in (*signs, last)} == {"red"} and "password" in last.sentence
    assert any(sign.sentence.startswith(f"{TRIGGER} isn't ours") for sign in signs)
    with connection.cursor() as cursor:
        on = " ON accounts_organization" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER back{on}")
        cursor.execute("DROP FUNCTION IF EXISTS back" if on else "SELECT 1")
    (sign,) = installation.foreign()
    assert sign.state == "red" and "it was removed" in sign.sentence
    monkeypatch.setattr(dbclock, "asked", lambda: NOW + timedelta(days=8))
    assert not list(installation.foreign())
