"""An export of our own format comes in: into an organisation that nobody was in before, everything as it was.

Numbers stay, so that links in old letters go on where their key came along. The file is proven and read to its end
before the first row is written; then it goes slice by slice, and a killed one goes on where it was.
"""

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.accounts.models import Organisation
from samizdat.audience import facts, tagging
from samizdat.audience.bringing import owner, uploads
from samizdat.audience.errors import ImportTaken
from samizdat.audience.exporting import besides, people, reading, registry, sealing, tables
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.models import (
    STATUSES,
    ConsentRecord,
    Field,
    Import,
    List,
    Subscriber,
    Subscription,
    new_list_number,
    row_id,
)
from samizdat.audience.naming import list_name
from samizdat.audience.totals import Totals
from samizdat.core import address as addresses
from samizdat.core import digest, seal
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.models import VaultKey
from samizdat.vault.sealed import open_json, seal_json

SOURCE = "samizdat"
SLICE = 2_500  # people of a transaction: about 150 ms
COUNTS = (
    "rows",
    "added",
    "updated",
    "unchanged",
    "rejected",
    *STATUSES,
    "consent",
    "suppressed",
    "others_suppressed",
    "segments",
    "forms",
    "pictures",
    "templates",
    "letters",
    "history",
    "comments",
    "corrections",
    "clicks",
    "answers",
    "tests",
    "results",
)

type Clock = Callable[[], datetime]
type Tell = Callable[[int, int], None]
type Stop = Callable[[], bool]


def is_ours(path: Path) -> bool:
    """Whether a file is one of our own exports, sealed or not: by its first bytes, or, packed anew, by its names."""
    with path.open("rb") as file:
        head = file.read(64)
        return sealing.is_sealed(head) or reading.is_ours(head) or (head[:2] == b"PK" and reading.has_our_names(file))


def bring_back(
    organisation: Any,
    path: Path,
    *,
    now: Clock,
    by: Any = None,
    identity: str = "",
    list_named: str = "",
    dry: bool = False,
    tell: Tell | None = None,
) -> dict[str, int]:
    """Brings an export in; the counts. `identity`: the text of an age key file, for a sealed one. `list_named`: where
    the subscriptions of an export with a single list go.

    The same file again changes nothing. Errors: ExportRefused with nothing written, ImportTaken.
    """
    with _open(path, identity) as file, reading.Opened(file) as opened:
        mark = _fingerprint(organisation, opened)
        if done := _done_before(organisation, mark):
            return done
        begun = _begun_before(organisation, mark, now())
        if begun is None:
            _insist_on_nobody(organisation)
        steps = Steps(opened, tell)
        proven = prove(opened, steps)
        if dry:
            return proven.counts
        if begun is None:
            begun = _begin(organisation, opened, mark, list_named, proven.highest, now(), by)
        return _take(organisation, opened, begun, steps, now, by)


def bring_upload(
    row: Import, opened: reading.Opened, highest: int, *, now: Clock, tell: Tell | None = None, stop: Stop | None = None
) -> None:
    """Brings in, or goes on with, an export that was uploaded and proven (arriving.inspect) into the import `row`,
    which this process owns. `highest`: number of a subscriber in it. Errors: ExportRefused, people.Stopped."""
    organisation = row.organisation
    mark = _fingerprint(organisation, opened)
    if done := _done_before(organisation, mark):
        _finish_unchanged(row, done, now())
        return
    if _places(row) is None:
        begun = _begun_before(organisation, mark, now())
        if begun is None:
            _begin(organisation, opened, mark, "", highest, now(), row.by, row)
        else:
            _take_over(begun, row)
    row.refresh_from_db()
    _take(organisation, opened, row, Steps(opened, tell, proven=True), now, row.by, stop)


def _take(
    organisation: Any, opened: reading.Opened, row: Import, steps: "Steps", now: Clock, by: Any,
    stop: Stop | None = None,
) -> dict[str, int]:  # fmt: skip
    coming = _Coming(organisation, opened, row, now)
    try:
        coming.take(steps, by, stop)
        return coming.finish(by)
    except BaseException:
        # Whatever broke may keep us from writing this too; a dead owner is noticed all the same.
        with suppress(DatabaseError):
            Import.objects.filter(pk=coming.row.pk, owner=coming.row.owner).update(owner="")
        raise


def why_not(organisation: Any, opened: reading.Opened, now: datetime) -> str:
    """Why this export could not come in: a sentence, "" for nothing. Errors: ImportTaken."""
    mark = _fingerprint(organisation, opened)
    if is_here(organisation, opened) or _begun_before(organisation, mark, now) is not None:
        return ""
    try:
        _insist_on_nobody(organisation)
    except ExportRefused as refused:
        return str(refused)
    return ""


def is_here(organisation: Any, opened: reading.Opened) -> bool:
    """Whether the same export came in before, whole."""
    return _done_before(organisation, _fingerprint(organisation, opened)) is not None


def _open(path: Path, identity: str) -> BinaryIO:
    """The zip, opened; a sealed one in memory, since nothing plain may lie on the disk."""
    file = path.open("rb")
    if not sealing.is_sealed(file.read(32)):
        file.seek(0)
        return file
    with file:
        if not identity:
            sentence = _("This export is sealed. Say whose key opens it with `--identity FILE`.")
            raise ExportRefused("sealed_file", sentence)
        file.seek(0)
        plain = io.BytesIO()
        sealing.open_by_secret(file, identity, lambda piece: _put(plain, piece), 1 << 20)
    plain.seek(0)
    return plain


def _put(plain: io.BytesIO, piece: bytes) -> None:
    plain.write(piece)


class Steps:
    """How far it is: everybody twice, once read and once written; once alone where it was proven before."""

    def __init__(self, opened: reading.Opened, tell: Tell | None, *, proven: bool = False) -> None:
        self._whole = (1 if proven else 2) * int(opened.manifest["counts"].get("subscribers", 0))
        self._done, self._tell = 0, tell

    def on(self, steps: int) -> None:
        self._done += steps
        if self._tell:
            self._tell(min(self._done, self._whole), self._whole)


def _fingerprint(organisation: Any, opened: reading.Opened) -> bytes:
    """Keyed, because a hash of a known export would prove that this house has it."""
    keys = house.keys(organisation)
    told = ",".join(f"{name}:{of['sha256']}" for name, of in sorted(opened.manifest["files"].items()))
    return seal.keyed_hash(keys.index[keys.index_version], f"returned:{told}")


def _done_before(organisation: Any, mark: bytes) -> dict[str, int] | None:
    row = Import.objects.filter(organisation=organisation, source=SOURCE, fingerprint=mark, state="finished").first()
    if row is None:
        return None
    return {**row.counts, "added": 0, "unchanged": row.counts["rows"]}


def _begun_before(organisation: Any, mark: bytes, now: datetime) -> Import | None:
    """One of the same export that was killed or stopped. Of the desk's own the file may be gone after a day, and what
    came in by then waits for the same file to be given again. Errors: ImportTaken."""
    rows = Import.objects.filter(organisation=organisation, source=SOURCE, fingerprint=mark)
    rows = rows.filter(Q(state="running") | Q(state__in=("waiting", "stopped", "failed"), row__gt=0))
    for row in rows.order_by("-id"):
        if owner.is_alive(row, now):
            raise ImportTaken
        return row
    return None


def _take_over(begun: Import, row: Import) -> None:
    """What was begun goes on under the number of a new upload."""
    keys = house.keys(row.organisation)
    told = open_json(keys, row.plan_sealed, "import", "plan", row.pk)
    told["places"] = _places(begun)
    done = {
        "plan_sealed": seal_json(keys, told, "import", "plan", row.pk), "counts": begun.counts, "row": begun.row,
        "fingerprint": bytes(begun.fingerprint), "list": begun.list_id, "rows_total": begun.rows_total,
    }  # fmt: skip
    with transaction.atomic():
        left = Import.objects.filter(pk=begun.pk, owner=begun.owner)
        if not left.update(state="failed", problem="gone_on", fingerprint=os.urandom(32), row=0):
            raise ImportTaken
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken


def _places(row: Import) -> dict[str, Any] | None:
    """Number in the file -> number here, of lists, fields, tags and keys; None where it has not begun."""
    told = open_json(house.keys(row.organisation), row.plan_sealed, "import", "plan", row.pk) or {}
    places: dict[str, Any] | None = told.get("places")
    return places


def _finish_unchanged(row: Import, counts: dict[str, int], now: datetime) -> None:
    """The same export came in before: nothing is left to do."""
    done = {"state": "finished", "owner": "", "problem": "", "finished": now, "counts": counts}
    with transaction.atomic():
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
            raise ImportTaken
        uploads.drop(row)


def _insist_on_nobody(organisation: Any) -> None:
    """Numbers of the file must not meet those of anybody, nor of somebody whose consent is still on record."""
    if (
        Subscriber.objects.filter(organisation=organisation).exists()
        or ConsentRecord.objects.filter(organisation=organisation).exists()
    ):
        sentence = _(
            "An export comes back into an organisation that never had a subscriber. Found a new one, or export there "
            "in Mailchimp’s layout and bring that into a list."
        )
        raise ExportRefused("not_empty", sentence)


@dataclass(slots=True)
class Proven:
    """What is in an export. `lists`: number in the file -> how many by status, as the file says it."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    highest: int = 0  # number of a subscriber
    lists: dict[int, Counter[str]] = field(default_factory=dict)


def prove(opened: reading.Opened, steps: Steps) -> Proven:
    """Everything is read and compared with the manifest; nothing is written. Errors: ExportRefused."""
    for _bytes in opened.prove():
        continue
    proven = Proven(lists={int(row["number"]): Counter() for row in opened.lists})
    counts = proven.counts
    for page in opened.in_pages(SLICE):
        proven.highest = page[-1].number
        counts["rows"] += len(page)
        counts["consent"] += sum(len(one.records) for one in page)
        counts["suppressed"] += sum(len(one.suppressed) for one in page)
        for list_id, _since, _wish, status in (of for one in page for of in one.lists):
            proven.lists[list_id][status] += 1
        steps.on(len(page))
    told = opened.manifest["counts"]
    if (counts["rows"], counts["consent"]) != (told.get("subscribers"), told.get("consent")):
        raise reading.altered("manifest.json")
    for _other in opened.others_suppressed():
        counts["others_suppressed"] += 1
    for part in registry.parts():
        counts[part.name] = part.check(opened)
        if told.get(part.name, counts[part.name]) != counts[part.name]:
            raise reading.altered("manifest.json")
    counts["added"] = counts["rows"]
    for found in proven.lists.values():
        for status, many in found.items():
            counts[status] += many
    return proven


# -- beginning --------------------------------------------------------------------------------------------------


def _begin(
    organisation: Any, opened: reading.Opened, mark: bytes, named: str, highest: int, now: datetime, by: Any,
    row: Import | None = None,
) -> Import:  # fmt: skip
    """Lists, tags, fields and keys, and the row that a killed one goes on by: together or not at all. Numbers given
    out from now on lie above `highest`. `row`: of an upload, that of the command line is made here."""
    keys = house.keys(organisation)
    before = {} if row is None else open_json(keys, row.plan_sealed, "import", "plan", row.pk)
    with transaction.atomic():
        # One after the other: of two who begin at once the second finds the first one's rows.
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        _insist_on_nobody(organisation)
        places = _make_places(organisation, opened, named, before.get("wrapped", {}), now, by)
        row = _begun(row or Import(organisation=organisation, by=by, created=now, owner=owner.myself()), now)
        row.list_id, row.fingerprint = next(iter(places["lists"].values())), mark
        row.rows_total = opened.manifest["counts"]["subscribers"]
        row.save(update_fields=_BEGUN if row.pk else None)  # Somebody may ask an upload to stop meanwhile.
        names = before.get("names", [_("An export of Samizdat")])
        told = {"names": names, "plan": None, "basis": "", "places": {of: _texts(held) for of, held in places.items()}}
        row.plan_sealed = seal_json(keys, told, "import", "plan", row.pk)
        row.counts |= _take_tables(organisation, opened, places, now, by)
        row.save(update_fields=["plan_sealed", "counts"])
        rows = Organisation.objects.filter(pk=organisation.pk, next_number__lte=highest)
        rows.update(next_number=highest + 1)
    house.forget_idle(-1)
    return row


_BEGUN = ("list", "source", "state", "fingerprint", "counts", "rows_total", "started", "beat")


def _begun(row: Import, now: datetime) -> Import:
    row.source, row.state, row.counts = SOURCE, "running", dict.fromkeys(COUNTS, 0)
    row.started, row.beat = row.started or now, now
    return row


def _make_places(
    organisation: Any, opened: reading.Opened, named: str, wrapped: dict[str, str], now: datetime, by: Any
) -> dict[str, dict[int, int]]:
    """Number in the file -> number here, of lists, fields, tags and index keys. Errors: ExportRefused."""
    lists = _lists(organisation, opened, named, now, by)
    if not lists:
        raise ExportRefused("no_list", _("This export has no list. Make one first: `samizdat list new NAME`."))
    fields = _fields(organisation, opened)
    names = {int(row["number"]): str(row["name"]) for row in opened.tags}
    ids = tagging.tags_for(organisation, house.keys(organisation), names.values())
    tags = {number: ids[name] for number, name in names.items()}
    return {"lists": lists, "fields": fields, "tags": tags, "keys": _keys(organisation, opened, now, wrapped)}


def _take_tables(
    organisation: Any, opened: reading.Opened, places: dict[str, dict[int, int]], now: datetime, by: Any
) -> dict[str, int]:
    """What stands beside the people; how many segments and forms came. Errors: ExportRefused."""
    lists, fields, tags = places["lists"], places["fields"], places["tags"]
    tables.take_settings(organisation, opened, now, by)
    tables.take_planted(organisation, opened, places["keys"])
    tables.take_growth(opened, lists)
    tables.take_wordings(organisation, opened, lists)
    segments = tables.take_segments(organisation, opened, now, by)
    return {"segments": segments, "forms": tables.take_forms(organisation, opened, lists, fields, tags, now, by)}


def _texts(held: dict[int, int]) -> dict[str, int]:
    return {str(number): here for number, here in held.items()}


def _lists(organisation: Any, opened: reading.Opened, named: str, now: datetime, by: Any) -> dict[int, int]:
    """Number in the file -> number here: a list of that name, or a new one with the number it had."""
    keys = house.keys(organisation)
    here = {list_name(keys, row).casefold(): row for row in List.objects.filter(organisation=organisation)}
    found: dict[int, int] = {}
    for told in opened.lists:
        name = named if named and len(opened.lists) == 1 else str(told["name"])
        row = here.get(name.strip().casefold()) or _new_list(organisation, told, name, now, by)
        found[int(told["number"])] = row.id
        _keep_digest(row.id, told.get("digest"))
    return found


def _keep_digest(list_id: int, told: Any) -> None:
    """When letters are gathered, and in which round: what a reader chose counts from a round on."""
    if not isinstance(told, dict):
        return
    when, round = told.get("when"), told.get("round")
    if when in digest.WHEN and isinstance(round, int) and 0 < round < 1 << 31:
        List.objects.filter(id=list_id).update(digest_when=when, digest_round=round, digest_due=None)


def _new_list(organisation: Any, told: dict[str, Any], name: str, now: datetime, by: Any) -> List:
    """Its number is part of List-Id and of confirmation links, so it goes along where nobody has it."""
    keys = house.keys(organisation)
    number, slug = int(told["number"]), str(told.get("form") or "")[:40]
    if List.objects.filter(id=number).exists():
        number = new_list_number()
    if List.objects.filter(form_slug=slug).exists():
        slug = ""
    made = List(id=number, organisation=organisation, form_slug=slug, created=now.astimezone(UTC).date())
    made.name_sealed = keys.seal(name.strip().encode(), "list", "name", number)
    made.details_sealed = seal_json(keys, dict(told.get("details") or {}), "list", "details", number)
    made.save(force_insert=True)
    dialect.add_list_totals([(number, status, 0) for status in range(len(STATUSES))])
    record("list.made", organisation, about=number, by=by, now=now, detail={"name": name})
    if slug:
        record("list.form", organisation, about=number, by=by, now=now, detail={"slug": slug})
    return made


def _fields(organisation: Any, opened: reading.Opened) -> dict[int, int]:
    """Number in the file -> number here: a field of that merge tag, or a new one, with the number it had if that is
    free: what a form asked for may name it."""
    keys = house.keys(organisation)
    used = set(Field.objects.filter(organisation=organisation).values_list("number", flat=True))
    known = {tag: number for tag, (number, *_rest) in tagging.all_fields(organisation, keys).items()}
    found: dict[int, int] = {}
    for told in opened.fields:
        tag, held = str(told["tag"]), {name: of for name, of in told.items() if name not in ("number", "readable")}
        if tag not in known:
            number = int(told["number"])
            if number in used:
                number = tagging.following_number(organisation)
            used.add(number)
            row = Field(organisation=organisation, number=number)
            row.sealed = seal_json(keys, {"default": "", **held}, "field", "sealed", number)
            if told.get("readable") and hasattr(row, "readable"):
                row.readable, row.filled = True, 0  # The worker fills it in from the sealed values.
            row.save()
            known[tag] = number
        found[int(told["number"])] = known[tag]
    return found


def _keys(organisation: Any, opened: reading.Opened, now: datetime, wrapped: dict[str, str]) -> dict[int, int]:
    """Takes the keys of links and of the index over, as former ones: index number in the file -> number here.
    `wrapped`: by wrap_keys(), for a process that may not wrap."""
    new, versions = _new_keys(organisation, opened)
    for kind, number, secret in new:
        told = wrapped.get(f"{kind}:{number}")
        VaultKey.objects.create(
            organisation=organisation, kind=kind, number=number, current=False, created=now.astimezone(UTC).date(),
            wrapped=bytes.fromhex(told) if told else _wrap(organisation, kind, number, secret),
        )  # fmt: skip
    return versions


def wrap_keys(organisation: Any, opened: reading.Opened) -> dict[str, str]:
    """The keys that an export brings, wrapped for this house: "kind:number" -> hex. Only the desk and commands may have
    a key wrapped (vault/keyserver.py); the worker, which brings it in, writes down what it is given here.
    Errors: ExportRefused."""
    new, _versions = _new_keys(organisation, opened)
    return {f"{kind}:{number}": _wrap(organisation, kind, number, secret).hex() for kind, number, secret in new}


def _wrap(organisation: Any, kind: str, number: int, secret: bytes) -> bytes:
    return house.open_source().wrap(house.label(kind, number, bytes(organisation.uid)), secret)


def _new_keys(organisation: Any, opened: reading.Opened) -> tuple[list[tuple[str, int, bytes]], dict[int, int]]:
    """(kind, number here, secret) of keys that are not here yet, and index number in the file -> number here."""
    told = opened.table("keys.json")
    if not told:
        return [], {}
    try:
        links = {int(row["number"]): bytes.fromhex(row["secret"]) for row in told["links"]}
        index = {int(row["number"]): bytes.fromhex(row["secret"]) for row in told["index"]}
        assert all(len(secret) == 32 for secret in (*links.values(), *index.values()))
        assert all(0 <= number <= 0xFFFFFFFF for number in links)
    except (AssertionError, KeyError, TypeError, ValueError) as wrong:
        raise reading.altered("keys.json") from wrong
    mine = house.keys(organisation)
    new = [("link", number, secret) for number, secret in links.items() if number not in mine.links]
    versions: dict[int, int] = {}
    free = max(mine.index) + 1
    for version, secret in sorted(index.items()):
        known = next((here for here, held in mine.index.items() if held == secret), None)
        versions[version] = free if known is None else known
        if known is None:
            new.append(("index", free, secret))
            free += 1
    return new, versions


# -- the rows ---------------------------------------------------------------------------------------------------


class _Coming:
    """Writes slice after slice, each with its counts and its place in one transaction."""

    def __init__(self, organisation: Any, opened: reading.Opened, row: Import, now: Clock) -> None:
        self.organisation, self.opened, self.now = organisation, opened, now
        self.row = self._taken(row)
        keys = self._keys = house.keys(organisation)
        assert keys.data is not None
        self._seal = keys.data.bound(*facts.SUBSCRIBER, keys.uid).seal
        self._seal_record = keys.data.bound(*facts.RECORD, keys.uid).seal
        places = open_json(keys, self.row.plan_sealed, "import", "plan", self.row.pk)["places"]
        self._lists, self._fields, self._tags, self._versions = (
            {int(number): here for number, here in places[name].items()} for name in ("lists", "fields", "tags", "keys")
        )
        self._totals = Totals()
        self._verdicts: dict[Any, Any] = {}

    def _taken(self, row: Import) -> Import:
        free = Q(owner="") | Q(owner=row.owner)
        states = ("running", "waiting", "stopped", "failed")
        taken = {"owner": owner.myself(), "beat": self.now(), "state": "running", "problem": ""}
        if not Import.objects.filter(free, pk=row.pk, state__in=states).update(**taken):
            raise ImportTaken
        row.refresh_from_db()
        return row

    def take(self, steps: Steps, by: Any, stop: Stop | None = None) -> None:
        """Errors: people.Stopped, between two slices."""
        with dialect.bulk_writing():
            self._people(steps, stop)
            self._others_suppressed()
            self._besides(by, stop)
        dialect.learn_sizes()

    def _people(self, steps: Steps, stop: Stop | None) -> None:
        for page in self.opened.in_pages(SLICE, after=self.row.row - 1 if self.row.row else -1):
            with transaction.atomic():
                self._slice(page)
            steps.on(len(page))
            if stop and stop():
                raise people.Stopped

    def _others_suppressed(self) -> None:
        counts = self.row.counts
        counts["others_suppressed"] = 0  # Those that a killed one had written are met again.
        for others in _cut(self.opened.others_suppressed(), SLICE):
            rows = [
                (self.organisation.id, blind, self._versions[version], reason, day)
                for blind, version, reason, day in others
                if version in self._versions
            ]
            with transaction.atomic():
                dialect.insert_suppressions(rows)
            counts["others_suppressed"] += len(rows)

    def _besides(self, by: Any, stop: Stop | None) -> None:
        places = besides.Places(self.row, self.now(), by, self._lists, self._tags).load()
        for part in registry.parts():
            if stop and stop():
                raise people.Stopped
            self.row.counts[part.name] = part.take(self.opened, places)

    def _slice(self, page: list[reading.Coming]) -> None:
        keys, organisation = self._keys, self.organisation.id
        subscribers, subscriptions, wishes, tagged, records, suppressed = [], [], [], [], [], []
        sources: dict[int, list[int]] = {}  # By which way they first came; an import is what a new row says.
        for one in page:
            id = row_id(organisation, one.number)
            blind = keys.blind(addresses.comparable(one.address))
            blob = self._seal(self._packed(one), one.number, os.urandom(seal.NONCE_BYTES))
            provider = addresses.provider(addresses.domain(one.address))
            subscribers.append((id, organisation, blob, blind, keys.index_version, provider, one.language, one.joined))
            tags = sorted({self._tags[tag] for tag in one.tags})
            tagged += [(id, tag) for tag in tags]
            told = [self._record(id, one.number, record) for record in one.records]
            records += told
            suppressed += [(organisation, blind, keys.index_version, *of) for of in one.suppressed]
            if told and told[0][5]:
                sources.setdefault(told[0][5], []).append(id)
            reason = facts.foremost(of[0] for of in one.suppressed)
            for list_id, since, wish, _status in one.lists:
                here = self._lists[list_id]
                status, may, day = self._verdict(told, here, reason, wish)
                subscriptions.append((id, here, status, may, day or since))
                self._totals.enter(here, status, tags)
                if any(cell not in ("", "0") for cell in wish.values()):
                    wishes.append((id, here, wish))
        dialect.insert_subscribers(subscribers)
        dialect.insert_subscriptions(subscriptions)
        dialect.insert_subscriber_tags(tagged)
        dialect.insert_consent(records)
        dialect.insert_suppressions(suppressed)
        for way, ids in sources.items():
            Subscriber.objects.filter(id__in=ids).update(source=way)
        _wish(wishes)
        self._totals.write()
        self._move_on(page, subscriptions, len(records), len(suppressed))

    def _packed(self, one: reading.Coming) -> bytes:
        values = {self._fields.get(number, number): text for number, text in one.values.items()}
        return seal.pack({**values, seal.ADDRESS: one.address})

    def _record(self, id: int, number: int, told: tuple[Any, ...]) -> dialect.ConsentRow:
        list_id, kind, purpose, way, day, words = told
        blob = self._seal_record(seal.pack(words), number, os.urandom(seal.NONCE_BYTES))
        here = self._lists[list_id] if list_id is not None else None
        columns = (self.organisation.id, id, here, kind, purpose, way, day, blob)
        return (*columns, facts.digest(*columns))

    def _verdict(
        self, told: list[dialect.ConsentRow], list_id: int, reason: str | None, wish: dict[str, str]
    ) -> tuple[int, int, str | None]:
        """By the records, as everywhere: the file's own word for the status is not taken."""
        known = tuple((place, row[2], *row[3:7]) for place, row in enumerate(told))
        key = (known, list_id, reason, wish.get("paused", ""))
        if key not in self._verdicts:
            if len(self._verdicts) > 10_000:
                self._verdicts.clear()
            paused = {"paused": date.fromisoformat(wish["paused"])} if wish.get("paused") else {}
            status, may, day = facts.verdict_of(facts.records(known), list_id, self.now(), reason, **paused)
            self._verdicts[key] = (status, may, day.isoformat() if day else None)
        found: tuple[int, int, str | None] = self._verdicts[key]
        return found

    def _move_on(self, page: list[reading.Coming], subscriptions: list[Any], records: int, suppressed: int) -> None:
        counts = self.row.counts
        for name, many in (("rows", len(page)), ("added", len(page)), ("consent", records), ("suppressed", suppressed)):
            counts[name] += many
        for _id, _list, status, *_rest in subscriptions:
            counts[STATUSES[status]] += 1
        mine = Import.objects.filter(pk=self.row.pk, owner=self.row.owner)
        if not mine.update(counts=counts, row=page[-1].number + 1, beat=self.now()):
            raise ImportTaken

    def finish(self, by: Any) -> dict[str, int]:
        with transaction.atomic():
            done = {"state": "finished", "owner": "", "finished": self.now(), "counts": self.row.counts}
            if not Import.objects.filter(pk=self.row.pk, owner=self.row.owner).update(**done):
                raise ImportTaken
            uploads.drop(self.row)
            detail = {"counts": self.row.counts, "source": SOURCE, "list": self.row.list_id}
            record("subscribers.imported", self.organisation, about=self.row.pk, by=by, now=self.now(), detail=detail)
            # The gate reads links by the keys that came along.
            record("keys.rotated", self.organisation, now=self.now(), by=by)
        counts: dict[str, int] = self.row.counts
        return counts


def _wish(wishes: list[tuple[int, int, dict[str, str]]]) -> None:
    """What people chose about their letters; few did. Columns that this house does not know are passed over."""
    for id, list_id, wish in wishes:
        held = {name: cell for name, cell in wish.items() if cell and name in people.WISHES}
        if held:
            Subscription.objects.filter(subscriber=id, list=list_id).update(**held)


def _cut(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    held: list[Any] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
