"""What the public process can do to the file of the public database, which it may write."""

import subprocess
import sys
from pathlib import Path

from samizdat.databases import PUBLICDB_INIT, SQLITE_INIT

READS_A_CUT_FILE = f"""
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in filter(None, {SQLITE_INIT + PUBLICDB_INIT!r}.split(";")):
    connection.execute(statement).fetchall()
connection.execute("CREATE TABLE page (html)")
connection.execute("BEGIN")
connection.executemany("INSERT INTO page VALUES (?)", [("x" * 4000,)] * 500)
connection.execute("COMMIT")
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
connection.execute("PRAGMA cache_size=1")
assert connection.execute("SELECT sum(length(html)) FROM page").fetchone() == (2000000,)
os.truncate(sys.argv[1], 8192)
try:
    connection.execute("SELECT sum(length(html)) FROM page").fetchone()
except sqlite3.Error as error:
    print(type(error).__name__)
"""


def test_a_publicdb_that_is_cut_off_while_it_is_read_is_an_error_and_kills_nobody(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READS_A_CUT_FILE, tmp_path / "public.sqlite3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Error\n")
