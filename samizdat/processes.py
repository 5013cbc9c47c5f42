"""Starting Python processes of our own."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(module: str, *words: str) -> list[str]:
    """`python -m module WORDS`. -P: nothing is imported from the working folder, which is the caller's; a csv.py among
    somebody's exports would be run there instead of Python's own, with our keys in hand.
    """
    return [sys.executable, "-P", "-m", module, *words]


def environment() -> dict[str, str]:
    """Our own, with the place where this package lies: without the working folder it may be found nowhere else."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ROOT), *path])), "PYTHONSAFEPATH": "1"}
