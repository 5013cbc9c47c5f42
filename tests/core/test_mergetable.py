"""The table of merge tags says what the language does."""

import pytest

from samizdat.core.content.merge import MergeCondition, MergeTag, parse, walk
from samizdat.core.content.mergetable import GONE, ROWS, WORDS

KNOWN = ["FNAME", "BIRTHDAY", "CITY", "AGE", "INTERESTED:Topics", "TAGGED:volunteer"]


def test_both_spellings_of_a_row_mean_one_thing() -> None:
    for row in ROWS:
        found = [parse(written, KNOWN) for written in (row.ours, row.mailchimp) if written]
        assert [tree.flaws for tree in found] == [()] * len(found), row
        meant = [
            [
                item if isinstance(item, MergeCondition) else (item.name, item.url, item.argument)
                for item in walk(tree.nodes)
                if isinstance(item, MergeCondition | MergeTag)
            ]
            for tree in found
        ]
        assert row.about == "postal_address" or all(one == meant[0] for one in meant), row
    assert {row.about for row in ROWS} == set(WORDS)


@pytest.mark.parametrize(("code", "written"), GONE)
def test_what_works_only_there_is_named_by_its_hint(code: str, written: str) -> None:
    for tag in written.split(", "):
        assert {flaw.code for flaw in parse(tag).flaws} == {code}
