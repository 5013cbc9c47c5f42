"""The list of scripts/mutate.py stays true: each change can still be made, and the tests that must notice it are there.

Whether they do notice is for `scripts/mutate.py`, which takes minutes.
"""

from collections import Counter

from scripts.mutate import read_changes

CHANGES = read_changes()


def test_every_change_can_be_made_and_its_tests_are_there() -> None:
    flawed = {change.name: flaw for change in CHANGES if (flaw := change.flaw())}
    assert not flawed, "The code has moved: mend the texts in scripts/mutations.toml."


def test_every_change_has_a_name_of_its_own_and_says_what_a_user_would_suffer() -> None:
    assert Counter(change.name for change in CHANGES).most_common(1)[0][1] == 1
    assert not [change.name for change in CHANGES if not change.harm.endswith(".")]


def test_the_rules_that_keep_readers_safe_are_on_the_list() -> None:
    assert len(CHANGES) >= 120
    places = (
        "engine",
        "ledger",
        "consent",
        "suppressions",
        "seal",
        "tokens",
        "permissions",
        "inbox",
        "importers",
        "rate",
        "smtp",
    )
    assert not [place for place in places if not any(place in change.file for change in CHANGES)]
