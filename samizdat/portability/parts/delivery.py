"""What became of letters, as totals: by route and minute, by mailbox provider, by version of a test, and what servers
said. And for whom a digest that waits was gathered.

Who got a letter stays behind. A route is here a name that was removed: nothing of how it was reached goes along.
"""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from samizdat.audience import sql as audience_sql
from samizdat.audience.models import row_id
from samizdat.audience.numbers import HIGHEST
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import STATES, State
from samizdat.core.mail.outcome import ANSWERS, NUMBERS
from samizdat.delivery import sealed_chunks
from samizdat.delivery.actions import digest_rounds
from samizdat.delivery.actions.ab_test import totals_by_version
from samizdat.delivery.actions.routes import name_of_removed
from samizdat.delivery.models import (
    MinuteTotal,
    ProviderTotal,
    Route,
    RouteTotal,
    SmtpReply,
    VariantTotal,
)
from samizdat.delivery.queries import answer_column
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import GOING, OVER, edition_of
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.read import OpenedExport, too_many
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment, whole
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

ROUTES = "routes"  # The part of base.Places that knows them by their names there.
TOTALS = ("accepted", "refused", "deferred", "unsure")
# Beside them, and beside what providers accepted; not in files of earlier versions.
UNSUBSCRIBED = "unsubscribed"
LONGEST = 4_000  # characters of a server's own words
_SAID = ("accepted", "refused")
# Routes of all letters, and texts of a letter: those that were said most.
MOST_ROUTES, MOST_ANSWERS = 1_000, 1_000
BY_ROUTE = ("routes", "minutes", "answers")
# Entries that are written at once, and what they count as (extras.SLICE). Of providers and versions a row has all:
# what is added up may not be cut.
PIECE = 100
PIECES = {"routes": 50, "minutes": 500, "answers": 100, "readers": digest_rounds.PAGE}


class DeliveryPart(CampaignExtrasPart):
    """One a letter that went out: `routes`, `minutes`, `providers`, `versions`, `answers`. One a digest that waits:
    `readers`, by number."""

    name = "results"
    weight = PIECE

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        edition = edition_of(letter)
        if edition is not None and letter.state in OVER + GOING:
            yield {
                "routes": _routes(edition),
                "minutes": _minutes(edition),
                "providers": _providers(edition),
                "versions": _versions(letter, edition),
                "answers": _answers(home, edition),
            }
        elif letter.is_digest:
            yield {"readers": _readers(letter, edition)}

    def read(self, payload: dict[str, Any]) -> dict[str, Any]:
        if "readers" in payload:
            return {"readers": [whole(number, HIGHEST, 1) for number in payload["readers"]]}
        return {
            "routes": _once([_route(row) for row in payload["routes"]], "route"),
            "minutes": _once([_minute(row) for row in payload["minutes"]], "route", "minute"),
            "providers": [_total(row, "provider") for row in payload["providers"]],
            "versions": [_total(row, "version") for row in payload["versions"]],
            "answers": _at_most(MOST_ANSWERS, [_answer(row) for row in payload["answers"]]),
        }

    def check(self, opened: OpenedExport) -> int:
        count, routes = 0, set[str]()
        for file, letters in self._files(opened):
            for row in (row for rows in letters.values() for row in rows):
                count += 1
                routes.update(part["route"] for kind in BY_ROUTE for part in row.get(kind, ()))
            if len(routes) > MOST_ROUTES:
                raise too_many(f"{self.name}/{file}.json", MOST_ROUTES)
        return count

    def pieces(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Of each kind some entries; routes first, since they tell of what scheme they were."""
        return [
            {kind: [*some]}
            for kind, entries in row.items()
            for some in (batched(entries, PIECES[kind]) if kind in PIECES else [entries])
        ]

    def make(self, letter: Campaign, rows: list[dict[str, Any]], places: base.Places) -> None:
        edition = edition_of(letter)
        for row in rows:
            if "readers" in row and letter.is_digest and letter.state == "draft":
                _set_aside(letter, row["readers"])
            elif "readers" not in row and edition is not None:
                _make(edition, row, places)


# -- going out ------------------------------------------------------------------------------------------------------


def _routes(edition: Edition) -> list[dict[str, object]]:
    rows = RouteTotal.objects.filter(edition=edition).select_related("route").order_by("route")
    return [
        {
            "route": row.route.name,
            "scheme": row.route.scheme,
            **{name: max(0, getattr(row, name)) for name in (*TOTALS, UNSUBSCRIBED)},
        }
        for row in rows
    ]


def _minutes(edition: Edition) -> list[dict[str, object]]:
    rows = MinuteTotal.objects.filter(edition=edition).order_by("minute", "route")
    values = rows.values_list("minute", "route__name", *_SAID)
    return [{"minute": row[0].isoformat(), "route": row[1], **dict(zip(_SAID, row[2:], strict=True))} for row in values]


def _providers(edition: Edition) -> list[dict[str, object]]:
    rows = ProviderTotal.objects.filter(edition=edition, count__gt=0).order_by("provider", "state")
    return [
        {"provider": PROVIDERS[provider], "state": STATES[state], "count": count, UNSUBSCRIBED: max(0, unsubscribed)}
        for provider, state, count, unsubscribed in rows.values_list("provider", "state", "count", UNSUBSCRIBED)
    ]


def _versions(letter: Campaign, edition: Edition) -> list[dict[str, object]]:
    """By version of a test or by language, with what is still owed. Nothing where there is one version alone."""
    if not edition.marks and not edition.languages:
        return []
    totals = totals_by_version(letter)
    return [
        {"version": version, "state": state, "count": count}
        for version, counts in sorted(totals.items())
        for state, count in counts.items()
    ]


def _answers(home: ExportContext, edition: Edition) -> list[dict[str, object]]:
    """A server may put a number of its own into each: those that were said most."""
    rows = SmtpReply.objects.filter(edition=edition).select_related("route").order_by("-count", "pk")
    return [
        {
            "route": row.route.name,
            "answer": ANSWERS[row.answer],
            "code": row.code,
            "text": home.keys.open(
                row.text_sealed, "answer", answer_column(row.route_id, row.digest), edition.pk
            ).decode()[:LONGEST],
            "count": row.count,
        }
        for row in sorted(rows[:MOST_ANSWERS], key=lambda row: row.pk)
    ]


def _readers(letter: Campaign, edition: Edition | None) -> list[int]:
    """For whom a digest was gathered: set aside while it is a draft, in its chunks once it is released."""
    pages: list[Sequence[int]] = [*digest_rounds.numbers_of(letter)]
    if edition is not None:
        pages += sealed_chunks.known(sealed_chunks.pages(edition))
    return sorted({number for page in pages for number in page})


# -- coming in ------------------------------------------------------------------------------------------------------


def _once(rows: list[dict[str, object]], *columns: str) -> list[dict[str, object]]:
    if len({tuple(row[name] for name in columns) for row in rows}) < len(rows):
        raise ValueError
    return rows


def _at_most(most: int, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    if len(rows) > most:
        raise ValueError
    return rows


def _name(value: object) -> str:
    name = str(value)
    if not name or len(name) > 60:
        raise ValueError
    return name


def _route(row: Mapping[str, object]) -> dict[str, object]:
    sums = {name: whole(row[name]) for name in TOTALS} | {UNSUBSCRIBED: whole(row.get(UNSUBSCRIBED, 0))}
    return {"route": _name(row["route"]), "scheme": str(row["scheme"])[:20], **sums}


def _minute(row: dict[str, Any]) -> dict[str, object]:
    return {
        "route": _name(row["route"]),
        "minute": moment(row["minute"]),
        **{name: whole(row[name]) for name in _SAID},
    }


def _total(row: Mapping[str, object], of: str) -> tuple[int, int, int, int]:
    """(provider or version, state, count, unsubscribed). What was owed there is called off here."""
    state = STATES.index(row["state"])
    # A provider that this house does not know is one of the others.
    known = PROVIDERS.index(row[of]) if of == "provider" and row[of] in PROVIDERS else 0
    place = known if of == "provider" else whole(row[of], 255)
    state = State.CANCELLED if state in (State.PENDING, State.DEFERRED) else state
    return place, state, whole(row["count"]), whole(row.get(UNSUBSCRIBED, 0))


def _answer(row: dict[str, Any]) -> dict[str, object]:
    text = str(row["text"])
    if len(text) > LONGEST:
        raise ValueError
    return {
        "route": _name(row["route"]),
        "answer": NUMBERS[row["answer"]],
        "code": whole(row["code"], (1 << 15) - 1),
        "text": text,
        "count": whole(row["count"]),
    }


def _make(edition: Edition, payload: dict[str, Any], places: base.Places) -> None:
    """Of the kinds that are in it."""
    schemes = {row["route"]: row["scheme"] for row in payload.get("routes", ())}
    names = sorted({row["route"] for kind in BY_ROUTE for row in payload.get(kind, ())})
    here = {name: _route_here(name, schemes.get(name, ""), places) for name in names}
    RouteTotal.objects.bulk_create(
        RouteTotal(
            edition=edition, route_id=here[row["route"]], **{name: row[name] for name in (*TOTALS, UNSUBSCRIBED)}
        )
        for row in payload.get("routes", ())
    )
    MinuteTotal.objects.bulk_create(
        MinuteTotal(
            edition=edition, route_id=here[row["route"]], minute=row["minute"], **{name: row[name] for name in _SAID}
        )
        for row in payload.get("minutes", ())
    )
    ProviderTotal.objects.bulk_create(
        ProviderTotal(edition=edition, provider=provider, state=state, count=count, unsubscribed=unsubscribed)
        for provider, state, count, unsubscribed in _summed(payload.get("providers", ()))
    )
    VariantTotal.objects.bulk_create(
        VariantTotal(edition=edition, variant=variant, state=state, count=count)
        for variant, state, count, _unsubscribed in _summed(payload.get("versions", ()))
    )
    keys = keyring.keys(edition.organization)
    SmtpReply.objects.bulk_create(_reply(keys, edition, here[row["route"]], row) for row in payload.get("answers", ()))


def _reply(keys: OrganizationKeys, edition: Edition, route: int, row: Mapping[str, Any]) -> SmtpReply:
    # Told apart by chance: no server will say it of this letter again.
    digest = secrets.token_bytes(16)
    sealed = keys.seal(row["text"].encode(), "answer", answer_column(route, digest), edition.pk)
    values = {name: row[name] for name in ("answer", "code", "count")}
    return SmtpReply(edition=edition, route_id=route, digest=digest, **values, text_sealed=sealed)


def _summed(rows: Iterable[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    counts, unsubscribed = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for of, state, count, left in rows:
        counts[of, state] += count
        unsubscribed[of, state] += left
    return [(*key, count, unsubscribed[key]) for key, count in sorted(counts.items())]


def _route_here(name: str, scheme: str, places: base.Places) -> int:
    """A removed route under its name, made with the first letter that went by it."""
    known = places.here(ROUTES, name)
    if known is None:
        row = Route(organization=places.organization, name=secrets.token_hex(16), scheme=scheme, changed=places.now)
        row.state, row.settings_sealed = "removed", b""
        row.save(force_insert=True)
        Route.objects.filter(pk=row.pk).update(name=name_of_removed(_bare(name), row.pk))
        places.put(ROUTES, name, row.pk)
        known = row.pk
    return int(known)


def _bare(name: str) -> str:
    """Without the number that a removed route has in the house that it comes from."""
    return re.sub(r" \(\d+\)$", "", name)


def _set_aside(letter: Campaign, numbers: list[int]) -> None:
    """Those of them who came along."""
    for at in range(0, len(numbers), digest_rounds.PAGE):
        ids = [row_id(letter.organization_id, number) for number in numbers[at : at + digest_rounds.PAGE]]
        digest_rounds.set_aside(letter, audience_sql.there(letter.organization_id, ids))
