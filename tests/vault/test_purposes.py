"""Each key that is derived from the instance key has one purpose, and one place that uses it."""

import ast
import typing
from collections import Counter
from pathlib import Path

import samizdat
from samizdat.backup.sealed_columns import OF_THE_INSTANCE
from samizdat.vault.purposes import ENDS, KEPT, OF_THE_SUPERVISOR, PURPOSES, SEALED, Rule

FOLDER = Path(samizdat.__file__).parent
WAYS = ("keyring.derive", "derive", "keyring.sealing")
# They ask for a purpose that somebody else names.
PASS_ON = {"vault/keyring.py", "vault/source.py", "vault/keyserver.py", "backup/restore_test/running.py"}


def _derived() -> Counter[str]:
    """How many places derive each label by functions of keyring."""
    found: Counter[str] = Counter()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in WAYS:
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


def test_what_a_process_derives_from_its_source_has_a_purpose_as_well() -> None:
    found = {
        node.args[0].value
        for path in FOLDER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("source.derive")
        and isinstance(node.args[0], ast.Constant)
    }
    assert found >= OF_THE_SUPERVISOR.keys()
    assert found <= PURPOSES.keys() | OF_THE_SUPERVISOR.keys()


def test_what_becomes_of_each_when_the_instance_key_is_replaced_is_said() -> None:
    rules = {purpose.rule for purpose in PURPOSES.values()} | {*OF_THE_SUPERVISOR.values()}
    assert rules == {*typing.get_args(Rule.__value__)}
    sealed = {*OF_THE_INSTANCE.values()} | {"events"}
    assert {PURPOSES[purpose].rule for purpose in sealed} <= {ENDS, KEPT, SEALED}
    assert {label for label, purpose in PURPOSES.items() if purpose.rule == SEALED} <= sealed
