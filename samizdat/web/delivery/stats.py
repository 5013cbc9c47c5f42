"""What letters came to, as totals: a letter as a file, and letters side by side. Nothing here knows a reader."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from samizdat.campaigns import ab_test
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import CampaignRow
from samizdat.core.totals import FEWEST, is_few
from samizdat.delivery import click_stats
from samizdat.delivery.click_stats import shown
from samizdat.delivery.queries import CampaignReport
from samizdat.formatting import grouped
from samizdat.incoming import queries as incoming
from samizdat.incoming.seeds import copies
from samizdat.portability.spreadsheet_cells import escaped
from samizdat.web import charts, labels
from samizdat.web.campaigns import ab_tests
from samizdat.web.csv_lines import csv_lines
from samizdat.web.delivery import click_stats as clicks

# Columns of a comparison, by their names in the books. Frozen is not one: with it a small number could be worked out.
COLUMNS = ("accepted", "refused", "unsure", "suppressed", "cancelled", "left")
# Those of the page: the others are zero nearly always, and a subject needs its room.
ON_PAGE = ("accepted", "refused", "left")


def of_letter(campaign: Campaign) -> dict[str, int]:
    return {name: getattr(campaign, name) for name in COLUMNS[:-1]} | {"left": campaign.unsubscribes}


def heads(names: Sequence[str] = COLUMNS) -> list[str]:
    """Columns as people read them."""
    named = {name: str(word) for name, word, _note in labels.BOOKS}
    named["left"] = pgettext("column", "unsubscribed")
    return [named[name] for name in names]


def heard(campaign: Campaign) -> dict[str, object]:
    """What readers said of a letter, as far as anybody here knows."""
    poll_counts = click_stats.heard(campaign)
    came_back = incoming.came_back(campaign.pk)
    return {
        "returned": {kind: came_back.get(kind, 0) for kind in ("hard", "soft")},
        "complained": came_back.get("complaint", 0),
        "few_complained": is_few(came_back.get("complaint", 0)),
        "in_inbox": came_back.get("reply", 0),
        "few_in_inbox": is_few(came_back.get("reply", 0)),
        "is_heard": incoming.last_received(campaign.organization) is not None,
        "replies": poll_counts.replies,
        "few_replies": poll_counts.few_replies,
        "complaints": poll_counts.complaints,
        "few_complaints": poll_counts.few_complaints,
        "fewest": FEWEST,
    }


def shown_placements(campaign: Campaign) -> dict[str, object] | None:
    """Where the copies to seed mailboxes are, a line for each route. None where there are none."""
    rows = copies.placements(campaign)
    names = sorted({name for row in rows for name in row.states})
    lines = [
        (
            row.route,
            [
                (name, *labels.SEED_COPIES[row.states[name]]) if name in row.states else (name, "", "–")
                for name in names
            ],
        )
        for row in rows
    ]
    return {"names": names, "rows": lines} if rows else None


def file_of(rows: Iterable[list[str]]) -> str:
    """CSV in UTF-8 with the mark that tells spreadsheets so; no cell begins a formula (threat model, T24)."""
    return "".join(csv_lines(map(escaped, rows)))


def letter_rows(campaign: Campaign, report: CampaignReport) -> list[list[str]]:
    """Part, name, people: the totals, then by route, by mailbox provider and by version."""
    counted = of_letter(campaign)
    rows = [[_("Part"), _("Name"), _("People")]]
    rows += [[_("campaign"), head, shown(counted[name])] for head, name in zip(heads(), COLUMNS, strict=True)]
    named = {name: str(word) for name, word, _note in labels.BOOKS}
    for route, row in report.by_route.items():
        cells = [(state, row[state]) for state in ("accepted", "refused", "unsure") if row[state]]
        rows += [[_("route"), f"{route}: {named[state]}", shown(many)] for state, many in cells]
    for provider, counts in report.providers:
        cells = [(state, counts[state]) for state in COLUMNS if counts.get(state)]
        rows += [
            [_("mailbox provider"), f"{labels.provider(provider)}: {named[state]}", shown(n)] for state, n in cells
        ]
    tested = ab_tests.table(campaign) or {"rows": (), "counts": False}
    for version in tested["rows"]:
        cells = [(head, many) for head, many in version["counts"] if many]
        cells += [(heads()[-1], version["left"])] if version["left"] is not None and not version["few_left"] else []
        cells += (
            [(_("clicks"), version["presses"])]
            if tested["counts"] and version["presses"] and not version["few_presses"]
            else []
        )
        rows += [[_("version"), f"{version['name']}: {head}", shown(many)] for head, many in cells]
    for spoken in click_stats.groups(campaign):
        cells = [(named[state], spoken.counts[state]) for state in COLUMNS[:-1] if spoken.counts.get(state)]
        rows += [[_("language"), f"{spoken.name}: {head}", shown(many)] for head, many in cells]
    replies = ab_test.replies_of(campaign)
    rows += [[_("campaign"), _("replies"), shown(replies)]] if replies is not None else []
    rows += clicks.rows(campaign) + clicks.answer_rows(campaign)
    return rows


def compared_rows(
    letters: Sequence[CampaignRow], lists: dict[int, str], days: Callable[[datetime], str]
) -> list[list[str]]:
    """A line a letter, and after it one for each of its languages. letters: campaigns/queries.Row; days: released ->
    ISO day in the organization's zone.
    """
    rows = [[_("Number"), _("Subject"), _("List"), _("Send date"), _("Language"), *heads(), _("replies")]]
    for row in letters:
        campaign, counted = row.campaign, of_letter(row.campaign)
        assert campaign.released is not None
        facts = [str(campaign.pk), row.subject, lists.get(campaign.list_id, ""), days(campaign.released)]
        replies = ab_test.replies_of(campaign)
        cells = [shown(counted[name]) for name in COLUMNS]
        rows.append([*facts, "", *cells, "" if replies is None else shown(replies)])
        for spoken in click_stats.groups(campaign):
            cells = [shown(spoken.counts.get(name, 0)) if spoken.counts else "" for name in COLUMNS[:-1]]
            rows.append([*facts, spoken.name, *cells, "", ""])
    return rows


def drawings(letters: Sequence[CampaignRow]) -> list[charts.BarChart]:
    """Two pictures: how many each letter reached and was refused, and of how many in a thousand it cost the list."""
    reached, left = [], []
    for row in letters:
        campaign, name = row.campaign, _("No. %(number)s") % {"number": grouped(row.campaign.pk)}
        refused = campaign.refused if campaign.refused >= FEWEST else 0
        reached.append((name, (float(campaign.accepted), float(refused))))
        left.append((name, (per_thousand(campaign) or 0.0,)))
    return [charts.bars(reached), charts.bars(left)]


def per_thousand(campaign: Campaign) -> float | None:
    """Left by the letter, of a thousand that accepted it; None where too few left to say."""
    if 0 < campaign.unsubscribes < FEWEST or not campaign.accepted:
        return None
    return round(1000 * campaign.unsubscribes / campaign.accepted, 1)
