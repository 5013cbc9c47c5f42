"""Named reads of the audience. Names are opened here, and nothing else leaves the seal than what is asked for."""

from samizdat.audience.queries.bringing import import_by_id, imports
from samizdat.audience.queries.cards import Card, Entry, Standing, Verdict, card, letters_left_by
from samizdat.audience.queries.counting import (
    Grown,
    anybody_asked,
    count,
    count_subscribers,
    growth,
    people_by_status,
    reach,
    unmailed,
)
from samizdat.audience.queries.listing import (
    FieldView,
    ListView,
    details_of,
    fields,
    list_by_id,
    list_named,
    lists,
    name_of,
    tag_named,
    tags,
)
from samizdat.audience.queries.paging import Page, Row, count_filtered, filtered, page, rows_of
from samizdat.audience.queries.people import address_of, numbers_at, subscriber_at, subscriber_numbered, values_of
from samizdat.audience.queries.stopping import Stopped, reasons_of, stopped, stopped_by_reason, suppression_of

__all__ = [
    "Card",
    "Entry",
    "FieldView",
    "Grown",
    "ListView",
    "Page",
    "Row",
    "Standing",
    "Stopped",
    "Verdict",
    "address_of",
    "anybody_asked",
    "card",
    "count",
    "count_filtered",
    "count_subscribers",
    "details_of",
    "fields",
    "filtered",
    "growth",
    "import_by_id",
    "imports",
    "letters_left_by",
    "list_by_id",
    "list_named",
    "lists",
    "name_of",
    "numbers_at",
    "page",
    "people_by_status",
    "reach",
    "reasons_of",
    "rows_of",
    "stopped",
    "stopped_by_reason",
    "subscriber_at",
    "subscriber_numbered",
    "suppression_of",
    "tag_named",
    "tags",
    "unmailed",
    "values_of",
]
