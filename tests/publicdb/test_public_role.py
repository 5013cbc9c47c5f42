"""T4: what the public process's own role may do in PostgreSQL, tried with its own credentials."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction
from psycopg import errors

from samizdat.publicdb import actions, role_guard
from samizdat.publicdb.models import Site
from samizdat.publicdb.role_guard import MANY, SHUT, PublicRoleGuard
from samizdat.worker.processes import supervisor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "postgresql" not in __import__("os").environ.get("DATABASE_URL", ""), reason="a role is PostgreSQL's"
    ),
]
UID = bytes(16)
ROLE, PASSWORD = "samizdat_public_test", "not 'a quote\\"

# As where the database belongs to a provider, who alone could keep a role from it.
LOCKS_FOR_ALL = """
DO $$ DECLARE lock regprocedure; BEGIN
FOR lock IN SELECT oid FROM pg_proc WHERE proname ~ '^pg_.*advisory' LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', lock);
END LOOP; END $$
"""


@pytest.fixture
def public_role() -> Iterator[Any]:
    """A connection as the public process makes it: the role's own name and password."""
    actions.publish_place(UID, host="", name="L", language="en", accent="#b3261e")
    publicdb = connections["publicdb"]
    assert actions.make_public_role(publicdb, PASSWORD, ROLE)
    assert actions.make_public_role(publicdb, PASSWORD, ROLE), "made again at every start"
    settings = publicdb.settings_dict
    connection = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"] or None,
        dbname=settings["NAME"],
        user=ROLE,
        password=PASSWORD,
        autocommit=True,
        options="-c search_path=publicdb",
    )
    yield connection
    connection.close()
    with publicdb.cursor() as cursor:
        cursor.execute(LOCKS_FOR_ALL)
        cursor.execute(f"DROP OWNED BY {ROLE}")
        cursor.execute(f"DROP ROLE {ROLE}")


def test_it_reads_what_is_published_and_drops_into_the_intake(public_role: Any) -> None:
    for table in actions.READABLE:
        public_role.execute(f"SELECT * FROM publicdb_{table}")
    public_role.execute("INSERT INTO publicdb_intake (place_id, box) VALUES (%s, %s)", [UID, b"sealed"])
    assert [bytes(row.box) for row in actions.take_up(actions.next_rows(("",), 9))] == [b"sealed"]


def test_one_of_a_former_key_is_ended_and_gone(public_role: Any) -> None:
    publicdb = connections["publicdb"]
    present = "samizdat_public_present"
    assert actions.make_public_role(publicdb, PASSWORD, present)
    try:
        actions.drop_former_roles(publicdb, present)
        with pytest.raises(psycopg.OperationalError):
            public_role.execute("SELECT 1")
        with publicdb.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname IN (%s, %s)", [ROLE, present])
            assert cursor.fetchall() == [(present,)]
        actions.drop_former_roles(publicdb, present)
    finally:
        assert actions.make_public_role(publicdb, PASSWORD, ROLE)
        with publicdb.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {present}; DROP ROLE {present}")


def test_one_that_another_database_knows_goes_on_there(public_role: Any) -> None:
    """A copy of the database has the former key still: here the role may do nothing more."""
    publicdb = connections["publicdb"]
    present = "samizdat_public_present"
    assert actions.make_public_role(publicdb, PASSWORD, present)
    try:
        with publicdb.cursor() as cursor:
            cursor.execute(f"GRANT CONNECT ON DATABASE postgres TO {ROLE}")
        actions.drop_former_roles(publicdb, present)
        with publicdb.cursor() as cursor:
            cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [ROLE])
            assert cursor.fetchall() == [(True,)]
            cursor.execute("SELECT has_table_privilege(%s, 'publicdb.publicdb_site', 'SELECT')", [ROLE])
            assert cursor.fetchall() == [(False,)]
    finally:
        assert actions.make_public_role(publicdb, PASSWORD, ROLE)
        with publicdb.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {present}; DROP ROLE {present}")


def test_it_drops_in_one_box_of_a_kind_and_mark_without_reading_what_waits(
    public_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "connections", {"publicdb": public_role})
    place = Site(uid=UID)
    assert actions.drop_in(place, b"sealed", "leave", bytes(16))
    assert not actions.drop_in(place, b"sealed", "leave", bytes(16))
    assert actions.drop_in(place, b"sealed", "back", bytes(16))


def test_no_table_that_it_may_read_has_a_column_about_a_reader(public_role: Any) -> None:
    """What it reads is published, a hash of a token, or sealed with what stands in a reader's own link."""
    sealed_or_hashed = {
        ("publicdb_tokenstate", "token_hash"),
        ("publicdb_privatepage", "name"),
        ("publicdb_privatepage", "box"),
        # Of the row as it stands, so it says no more.
        ("publicdb_tokenstate", "signature"),
        ("publicdb_privatepage", "signature"),
    }
    published = {
        "publicdb_site",
        "publicdb_form",
        "publicdb_page",
        "publicdb_editionname",
        "publicdb_donationpage",
        "publicdb_publicpicture",
        "publicdb_linktarget",
    }
    rows = public_role.execute(
        "SELECT table_name, column_name FROM information_schema.column_privileges "
        "WHERE grantee = %s AND privilege_type = 'SELECT' AND table_schema = 'publicdb'",
        [ROLE],
    ).fetchall()
    about_readers = {(table, column) for table, column in rows if table not in published}
    assert about_readers - sealed_or_hashed == {
        ("publicdb_tokenstate", "state"),
        ("publicdb_privatepage", "place_id"),
        ("publicdb_privatepage", "until"),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM publicdb_intake",
        "SELECT id FROM publicdb_intake",
        "INSERT INTO publicdb_intake (place_id, box) VALUES ('\\x00', '') RETURNING id",
        "DELETE FROM publicdb_intake",
        "UPDATE publicdb_intake SET box = ''",
        "INSERT INTO publicdb_intake (place_id, put_off, box) VALUES ('\\x00', 1, '')",
        "UPDATE publicdb_site SET name = ''",
        "DELETE FROM publicdb_tokenstate",
        "INSERT INTO publicdb_tokenstate VALUES ('\\x00', 'left')",
        "INSERT INTO publicdb_privatepage (name, place_id, box, until) VALUES ('\\x00', '\\x00', '', now())",
        "UPDATE publicdb_privatepage SET until = 'infinity'",
        "DELETE FROM publicdb_privatepage",
        "TRUNCATE publicdb_page",
        "SELECT * FROM django_migrations",
        "CREATE TABLE publicdb.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "CREATE ROLE mine",
        "COPY publicdb_site TO PROGRAM 'cat'",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_export(1, '/tmp/x')",
    ],
)
def test_it_may_do_nothing_else(public_role: Any, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        public_role.execute(statement)


@pytest.mark.parametrize("where", ["", "IN DATABASE {}"])
def test_what_it_set_for_itself_is_gone_at_the_next_start(public_role: Any, where: str) -> None:
    """Every role may: one that only reads from now on would keep readers from leaving, through any number of starts."""
    publicdb = connections["publicdb"]
    scope = where.format(publicdb.settings_dict["NAME"])
    for setting in ("default_transaction_read_only = on", "search_path = pg_temp"):
        public_role.execute(f"ALTER ROLE {ROLE} {scope} SET {setting}")
    public_role.execute(f"ALTER ROLE {ROLE} PASSWORD 'mine'")

    def enters() -> bool:
        return supervisor._lets_in(lambda: supervisor._as_role(ROLE, PASSWORD))

    assert not enters()
    assert actions.make_public_role(publicdb, PASSWORD, ROLE)
    assert enters()
    assert not actions.next_rows(("",), 9), "it was only tried"
    with supervisor._as_role(ROLE, PASSWORD) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("10s",)


def test_forty_sessions_that_somebody_keeps_are_ended(public_role: Any) -> None:
    publicdb = connections["publicdb"]
    actions.end_sessions(publicdb, ROLE)
    with pytest.raises(psycopg.OperationalError):
        public_role.execute("SELECT 1")


def test_a_house_that_is_no_superuser_makes_it_at_every_start(db: Any) -> None:
    """Where the second start failed, the public process went on with the role of the house."""
    publicdb, house = connections["publicdb"], "samizdat_house_test"
    with publicdb.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {house} CREATEROLE")
        try:
            cursor.execute(f"GRANT USAGE ON SCHEMA publicdb TO {house} WITH GRANT OPTION")
            cursor.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA publicdb TO {house} WITH GRANT OPTION")
            cursor.execute(f"SET ROLE {house}")
            made = [actions.make_public_role(publicdb, PASSWORD, ROLE) for _start in range(3)]
        finally:
            cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA publicdb FROM {ROLE}")
            cursor.execute(f"REVOKE ALL ON SCHEMA publicdb FROM {ROLE}")
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP ROLE {ROLE}")
            cursor.execute(f"DROP OWNED BY {house} CASCADE")
            cursor.execute(f"DROP ROLE {house}")
    assert made == [True] * 3


@pytest.fixture
def of_a_provider(public_role: Any) -> Any:
    with connections["publicdb"].cursor() as cursor:
        cursor.execute(LOCKS_FOR_ALL)
    return public_role


def _enter(database: str = "") -> Any:
    settings = connections["publicdb"].settings_dict
    place = {"host": settings["HOST"], "port": settings["PORT"] or None, "dbname": database or settings["NAME"]}
    return psycopg.connect(**place, user=ROLE, password=PASSWORD, autocommit=True)


def test_its_session_ends_when_it_takes_a_lock_of_the_house(of_a_provider: Any) -> None:
    """It could hold the clock's lock, make a dead worker look alive, or fill the lock table of the whole server."""
    guard = PublicRoleGuard(connections["publicdb"])
    assert not guard.look(), "one that reads is let alone"
    of_a_provider.execute("SELECT pg_advisory_lock(1, 2)")
    assert guard.look() == 1
    with pytest.raises(psycopg.OperationalError):
        of_a_provider.execute("SELECT 1")
    assert not guard.is_shut, "once may be an accident"


def test_its_session_ends_in_any_other_database_of_the_server(public_role: Any) -> None:
    """The lock table is one for all of them."""
    with _enter("postgres") as elsewhere:
        assert PublicRoleGuard(connections["publicdb"]).look() == 1
        with pytest.raises(psycopg.OperationalError):
            elsewhere.execute("SELECT 1")
    public_role.execute("SELECT 1")


def test_who_takes_locks_again_and_again_is_shut_out_for_ten_minutes(of_a_provider: Any) -> None:
    now = 1000.0
    publicdb = connections["publicdb"]
    guard = PublicRoleGuard(publicdb, lambda: now)
    for _time in range(MANY):
        assert not guard.is_shut
        assert not role_guard.shut_out(publicdb)
        with _enter() as session:
            session.execute("SELECT pg_advisory_lock(1, 2)")
            assert guard.look() == 1
    assert guard.is_shut
    assert role_guard.shut_out(publicdb) == [ROLE]
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        _enter()
    with pytest.raises(psycopg.OperationalError):
        of_a_provider.execute("SELECT 1")
    assert PublicRoleGuard(publicdb).look() == 0, "another machine's worker finds it shut"
    now += SHUT
    guard.look()
    assert not guard.is_shut
    _enter().close()


def test_who_was_shut_out_is_let_in_when_serve_is_started_again(of_a_provider: Any) -> None:
    publicdb = connections["publicdb"]
    guard = PublicRoleGuard(publicdb)
    for _time in range(2):
        sessions = [_enter() for _session in range(MANY)]
        for session in sessions:
            session.execute("SELECT pg_advisory_lock_shared(1, 2)")
        assert guard.look() == MANY
        assert guard.is_shut, "and shut out again, should it go on"
        assert actions.make_public_role(publicdb, PASSWORD, ROLE)
        with publicdb.cursor() as cursor:
            cursor.execute(LOCKS_FOR_ALL)
        _enter().close()
        guard.look()
        assert not guard.is_shut


def test_looking_at_it_takes_no_place_in_a_lock_table_that_it_has_filled(public_role: Any) -> None:
    """The look failed then, and with it all that it was to end."""
    publicdb = connections["publicdb"]
    guard = PublicRoleGuard(publicdb)
    guard.look()
    with transaction.atomic(using="publicdb"):
        guard.look()
        with publicdb.cursor() as cursor:
            cursor.execute(
                "SELECT locktype FROM pg_lock_status() WHERE pid = pg_backend_pid() AND NOT fastpath "
                "AND NOT (relation < 16384 AND database IS NULL)"
            )
            assert cursor.fetchall() == []


def test_where_the_server_is_ours_it_takes_no_lock_at_all(public_role: Any) -> None:
    for call in ("pg_advisory_lock(1)", "pg_try_advisory_lock_shared(1, 2)", "pg_try_advisory_xact_lock(1)"):
        with pytest.raises(errors.InsufficientPrivilege):
            public_role.execute(f"SELECT {call}")
    with connections["publicdb"].cursor() as cursor:
        cursor.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()")
        cursor.execute(
            "SELECT has_function_privilege(%s, 'pg_advisory_lock(bigint)', 'EXECUTE')", [cursor.fetchone()[0]]
        )
        assert cursor.fetchone() == (True,)


def test_what_it_keeps_beside_the_tables_is_dropped(public_role: Any) -> None:
    """Where the house does not own PostgreSQL it cannot keep the role from it."""
    publicdb = connections["publicdb"]
    with publicdb.cursor() as cursor:
        cursor.execute(f"GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO {ROLE}")
        cursor.execute("SELECT lo_from_bytea(0, 'of the house')")
        (kept,) = cursor.fetchone()
    for _object in range(3):
        public_role.execute("SELECT lo_from_bytea(0, 'addresses')")
    assert actions.drop_large_objects(publicdb) == 3
    assert actions.drop_large_objects(publicdb) == 0
    with publicdb.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_largeobject_metadata")
        assert cursor.fetchall() == [(kept,)]
        cursor.execute("SELECT lo_unlink(%s)", [kept])


def test_the_houses_tables_are_out_of_its_reach(public_role: Any) -> None:
    """The same role in the database where the readers are."""
    settings = connections["default"].settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"] or None,
        dbname=settings["NAME"],
        user=ROLE,
        password=PASSWORD,
        autocommit=True,
    ) as house:
        tables = [row[0] for row in house.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert "audience_subscriber" in tables
        for table in tables:
            with pytest.raises(errors.InsufficientPrivilege):
                house.execute(f"SELECT 1 FROM public.{table} LIMIT 1")


def test_a_lock_that_the_public_process_takes_shows_nobody_alive(public_role: Any) -> None:
    from samizdat.delivery.engine import locks

    settings = connections["default"].settings_dict
    place = {"host": settings["HOST"], "port": settings["PORT"] or None, "dbname": settings["NAME"]}
    with psycopg.connect(**place, user=ROLE, password=PASSWORD, autocommit=True) as public:
        public.execute("SELECT pg_advisory_lock(%s, 7)", [locks.WORKERS])
        assert not locks.is_held(7)
        assert locks.cut_off(7) == 0
