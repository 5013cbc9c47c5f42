"""The raw SQL over campaigns and editions that delivery puts into its own statements."""

from collections.abc import Mapping

from samizdat.db import Statement

# The edition of a campaign.
EDITION_OF = "SELECT ee.id FROM campaigns_edition ee WHERE ee.campaign_id = %s"

# Is the campaign of this edition sending, and its organization unfenced, at this instant?
IS_SENDING = """EXISTS (
    SELECT 1 FROM campaigns_edition e
    JOIN campaigns_campaign c ON c.id = e.campaign_id
    JOIN accounts_organization o ON o.id = e.organization_id
    WHERE e.id = %s AND c.state = 'sending' AND NOT o.sending_locked
)"""


def add_to_books(edition: int, counts: Mapping[str, int]) -> Statement | None:
    """By names of ledger.STATES."""
    if not counts:
        return None
    sums = ", ".join(f"{name} = {name} + %s" for name in counts)
    campaign = "(SELECT campaign_id FROM campaigns_edition WHERE id = %s)"
    return f"UPDATE campaigns_campaign SET {sums} WHERE id = {campaign}", [*counts.values(), edition]


# Editions whose campaign is not over.
UNDER_WAY = """
    SELECT e.id FROM campaigns_edition e JOIN campaigns_campaign c ON c.id = e.campaign_id
    WHERE c.state NOT IN ('draft', 'finished', 'cancelled')
"""

# Of each edition whose campaign is over: its number, and sums that change with any of its deliveries.
BOOKS_OF_THE_FINISHED = """
    SELECT e.id, c.frozen, c.accepted, c.refused, c.unsure, c.suppressed, c.cancelled
    FROM campaigns_edition e JOIN campaigns_campaign c ON c.id = e.campaign_id
    WHERE c.state IN ('finished', 'cancelled') AND c.pending = 0 AND c.deferred = 0
"""
