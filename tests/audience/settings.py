"""Settings of a program that a test starts: the house's own, on the test's database."""

import os
from pathlib import Path

from samizdat import databases
from samizdat.settings import *  # noqa: F403
from samizdat.settings import DATABASES

if "SAMIZDAT_TEST_DATABASE" in os.environ:
    DATABASES["default"] = databases.sqlite(Path(os.environ["SAMIZDAT_TEST_DATABASE"]))
