"""core/consent.may alone decides: nobody else comes to an answer of their own (house style, idea 3)."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "samizdat"

# Who asks it, and who reads the verdict that was written with the facts.
ASKING = {
    "audience/consent_records.py",  # Writes the verdict of each subscription.
    "audience/queries/subscriber_page.py",  # Shows it with its reason.
    "audience/actions/consent.py",
    "privacy/actions/reconsent.py",  # Weighs the yes that it gives.
}
READING_IN_SQL = {
    "audience/recipients_sql.py",  # Release, and each slice of a sender.
    "audience/filters_sql.py",  # The desk finds by it.
    "audience/segment_conditions/consent.py",
    "audience/segments/campaign_audience.py",
    "audience/missing_values.py",  # Whose empty values are counted: of those who would get the letter.
}


def sources() -> dict[str, str]:
    paths = [path for path in ROOT.rglob("*.py") if "migrations" not in path.parts]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def test_the_verdict_is_asked_for_and_read_in_these_places_alone() -> None:
    found = sources()
    assert {name for name, text in found.items() if re.search(r"consent\.may\(", text)} == ASKING
    assert {name for name, text in found.items() if re.search(r"\bu+\.mail_verdict\b", text)} == READING_IN_SQL


def test_nobody_writes_a_verdict_that_may_did_not_give() -> None:
    for name, text in sources().items():
        assert not re.search(r"\.update\([^)]*\bmail_verdict=|Subscription\([^)]*\bmail_verdict=", text), name
