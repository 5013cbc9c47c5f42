"""Subscribers in another order than that of their numbers: by what is readable of them. Nobody is opened for it, so
there is no order by name or address."""

import builtins
from collections.abc import Callable, Sequence

from samizdat.accounts.models import Organization
from samizdat.audience import sql
from samizdat.audience.filters import Filter, Search
from samizdat.audience.models import STATUSES, List
from samizdat.audience.queries.lists import list_by_id
from samizdat.audience.queries.subscriber_list import FIRST, SubscriberPage, rows_standing
from samizdat.core import consent
from samizdat.core.mail import address

# What can be asked for, and backwards with a - before it. "added" is the day; the order of numbers tells it roughly.
SORTS = ("added", "since", "status", "provider", "language", "source")
# So many are put in order at most (0.09 s of a CPU), and looked for no longer than so many seconds.
MOST, SECONDS = 20_000, 1.0
_LAST = "\uffff"  # What is not known stands behind every word.

type Word = Callable[[str, str], str]


def sorted_page(
    organization: Organization, asked: Filter, sort: str, word: Word, *, at: int = 0, limit: int = 50
) -> SubscriberPage | None:
    """The page of those who fit a filter that begins after `at` of them; None where more than MOST fit.

    `sort`: of SORTS. Who is alike stands by falling number. `word`: what a code of a column is called where it is
    shown, by which it is ordered. `next` of the page is what `at` is for the page after.
    """
    result = Search(organization, asked).look(None, MOST + 1, SECONDS)
    if result.below is not None:
        return None
    name, backwards = sort.removeprefix("-"), sort.startswith("-")
    list = list_by_id(organization, asked.list) if asked.list is not None else None
    keys = _keys(organization, result.ids, name, asked, word)
    ids = sorted(result.ids, key=keys.__getitem__, reverse=backwards)
    rows = rows_standing(organization, ids[at : at + limit], list, asked.status)
    return SubscriberPage(rows, at + limit if len(ids) > at + limit else None)


def _keys(organization: Organization, ids: Sequence[int], name: str, asked: Filter, word: Word) -> dict[int, int | str]:
    """By row id, what it is put in order by."""
    if name in ("since", "status"):
        return _standing(organization, ids, name, asked)
    facets = sql.facets_of(ids)
    if name == "added":
        days = {id: joined for id, _provider, _language, _source, joined in facets}
        return {id: days.get(id, "") for id in ids}
    if name == "provider":
        by_id = {id: address.PROVIDERS[provider] for id, provider, _language, _source, _joined in facets}
    elif name == "language":
        by_id = {id: language for id, _provider, language, _source, _joined in facets}
    else:
        by_id = {id: consent.WAYS[source] for id, _provider, _language, source, _joined in facets}
    words = {code: word(name, code).casefold() or _LAST for code in {*by_id.values()}}
    return {id: words[by_id[id]] if id in by_id else _LAST for id in ids}


def _standing(organization: Organization, ids: Sequence[int], name: str, asked: Filter) -> dict[int, int | str]:
    """By the status that their line shows, or the day since when."""
    own = {*List.objects.filter(organization=organization).values_list("id", flat=True)}
    lists = own if asked.list is None else own & {asked.list}
    shown: dict[int, tuple[int, int, str]] = {}
    for id, list_id, code, since in sql.statuses_since(ids):
        if list_id in lists and asked.status in (None, STATUSES[code]):
            standing = FIRST.index(STATUSES[code]), list_id, since
            shown[id] = min(shown.get(id, standing), standing)
    if name == "status":
        return {id: shown[id][0] if id in shown else len(FIRST) for id in ids}
    rest: builtins.list[int] = [id for id in ids if id not in shown]
    joined = {id: day for id, _provider, _language, _source, day in sql.facets_of(rest)}
    return {id: shown[id][2] if id in shown else joined.get(id, "") for id in ids}
