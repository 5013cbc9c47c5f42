"""Loaded before Django's settings: gives every test run a data folder of its own in the temporary folder."""

import atexit
import os
import shutil
import tempfile

if "SAMIZDAT_TEST_ROOT" not in os.environ:  # Workers of xdist inherit their parent's.
    root = tempfile.mkdtemp(prefix="samizdat-tests-")
    os.environ["SAMIZDAT_TEST_ROOT"] = root
    atexit.register(shutil.rmtree, root, ignore_errors=True)

# A folder for each worker: they would wait for each other's sender lock and read each other's journals.
os.environ["SAMIZDAT_DATA"] = os.path.join(
    os.environ["SAMIZDAT_TEST_ROOT"], "data-" + os.environ.get("PYTEST_XDIST_WORKER", "main")
)
os.makedirs(os.environ["SAMIZDAT_DATA"], exist_ok=True)
os.environ["SAMIZDAT_INNER_NETWORKS"] = "127.0.0.1 ::1"  # Where the servers are that tests play.
os.environ["SAMIZDAT_USER"] = "root"  # In a container that knows nobody else; of anybody but root nothing is asked.
for name in (
    "SAMIZDAT_KEY_FILE",
    "SAMIZDAT_KEY_COMMAND",
    "SAMIZDAT_PASSPHRASE_FILE",
    "SAMIZDAT_GATE_URL",
    "SAMIZDAT_LANGUAGE",
    "SAMIZDAT_DEBUG",
):
    os.environ.pop(name, None)
