"""Writes what a database has after all migrations into samizdat/accounts/schema_*.txt, which `doctor` compares.

    .venv/bin/python scripts/schema.py    after a migration was added

Read the lines that changed (`git diff`): they are what the migration does to a database.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from scripts.test import install_missing, postgresql, quick_folder  # noqa: E402

WRITE = """
import django
django.setup()
from samizdat.accounts import database_catalog
from samizdat.cli.instance import migrate
migrate()
database_catalog.file("%(vendor)s").write_text("")
text = database_catalog.schema_text(database_catalog.facts())
database_catalog.file("%(vendor)s").write_text(text)
"""


def write(vendor: str, folder: Path, url: str) -> None:
    folder.mkdir(mode=0o700)
    mine = {"SAMIZDAT_DATA": str(folder), "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "samizdat.settings"}
    subprocess.run([sys.executable, "-c", WRITE % {"vendor": vendor}], check=True, cwd=HERE, env=os.environ | mine)


def main() -> None:
    install_missing(tools=True, clock=False)
    with quick_folder() as place, postgresql(place, {}) as url:
        write("sqlite", place / "sqlite", "")
        # The one that every cluster has.
        write("postgresql", place / "postgresql", url.replace("/samizdat?", "/postgres?"))


if __name__ == "__main__":
    main()
