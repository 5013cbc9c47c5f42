"""Each key that is derived from the instance key has one purpose, and one place that uses it."""

import ast
from collections import Counter
from pathlib import Path

import samizdat
from samizdat.vault.purposes import PURPOSES

FOLDER = Path(samizdat.__file__).parent
# They ask for a purpose that somebody else names.
PASS_ON = {"vault/keyring.py", "vault/source.py", "vault/keyserver.py", "backup/restore_test/running.py"}


def _derived() -> Counter[str]:
    """How many places derive each label by `keyring.derive` or within keyring."""
    found: Counter[str] = Counter()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("keyring.derive", "derive"):
                continue
            label = node.args[0]
            if isinstance(label, ast.Constant):
                found[label.value] += 1
            else:
                assert path.relative_to(FOLDER).as_posix() in PASS_ON | {
                    "core/crypto/tokens.py",
                    "core/crypto/seal.py",
                    "core/crypto/sealed_page.py",
                }
    return found


def test_no_derived_key_is_used_in_two_places() -> None:
    """What sealed people sealed sessions, events and what somebody typed as well: one leaked, and all were open."""
    assert _derived() == dict.fromkeys(PURPOSES, 1)
