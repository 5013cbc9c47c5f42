"""Organizations share tables, and a subscriber's row is known by the number of the organization and their own number.
Whatever one organization brings in or asks for, nobody of another is read, counted or changed."""

import csv
import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.audience import (
    actions,
    consent_writer,
    consistency,
    data_quality,
    queries,
    sealed_subscribers,
)
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import bulk
from samizdat.audience.errors import AudienceError
from samizdat.audience.filters import Filter, Search
from samizdat.audience.models import NUMBER_MASK, STATUSES, Subscriber, SubscriberTag, Subscription, row_id
from samizdat.audience.numbers import HIGHEST, Numbers
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segments.members import MemberReader
from samizdat.portability import subscribers as export_people
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from samizdat.vault import keyring
from tests.conftest import NOW, TODAY
from tests.portability.test_export import _forged, made

pytestmark = pytest.mark.django_db

FILES = ("subscribers.csv", "subscriptions.csv", "consent.csv", "suppressions.csv")


@pytest.fixture
def neighbors(lantern: Any, vault: Any) -> tuple[Any, Any]:
    """Two organizations whose rows follow each other, the first with an even number."""
    first = found_organization("Harbour", source=vault, today=TODAY)
    while first.pk % 2:
        first = found_organization(f"Harbour {first.pk}", source=vault, today=TODAY)
    return first, found_organization("Lighthouse", source=vault, today=TODAY)


def renumbered(data: bytes, number: int) -> bytes:
    """An export whose last two subscribers, of whom one may be planted, have this number and the one before it, with
    the checksums that belong to it."""
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        rows = csv.DictReader(io.StringIO(box.read("subscribers.csv").decode(), newline=""))
        last = sorted(int(row["number"]) for row in rows)[-2:]
    meant = {str(last[0]): str(number - 1), str(last[1]): str(number)}

    def change(text: bytes) -> bytes:
        found = list(csv.reader(io.StringIO(text.decode(), newline="")))
        at = found[0].index("number")
        for row in found[1:]:
            row[at] = meant.get(row[at], row[at])
        out = io.StringIO(newline="")
        csv.writer(out).writerows(found)
        return out.getvalue().encode()

    for name in FILES:
        data = _forged(data, name, change)
    return data


@pytest.fixture
def file(lantern: Any, letter: Any) -> bytes:
    for place in range(3):
        actions.add_subscriber(lantern, f"r{place}@gmail.com", letter, consent="yes", now=NOW, language="ru")
    return made(lantern, ExportRequest("samizdat"))


@pytest.mark.parametrize("number", [HIGHEST + 1, NUMBER_MASK, NUMBER_MASK + 1, 1 << 62])
def test_an_export_with_a_number_that_is_too_high_is_refused_in_one_sentence(
    number: int, file: bytes, neighbors: Any, tmp_path: Path
) -> None:
    (tmp_path / "e.zip").write_bytes(renumbered(file, number))
    with pytest.raises(ValueError, match=r"Line \d of sub\w+.csv in this export can’t be right."):
        bring_back(neighbors[0], tmp_path / "e.zip", now=lambda: NOW)
    assert not Subscriber.objects.filter(organization=neighbors[0]).exists()


def test_behind_the_highest_number_of_an_export_nobody_meets_a_neighbor_or_waits(
    file: bytes, neighbors: Any, tmp_path: Path
) -> None:
    mine, other = neighbors
    (tmp_path / "e.zip").write_bytes(renumbered(file, HIGHEST))
    bring_back(mine, tmp_path / "e.zip", now=lambda: NOW)
    theirs = actions.new_list(other, "Signals", now=NOW)
    actions.add_subscriber(other, "ada@gmail.com", theirs, consent="yes", now=NOW, language="ru")
    [here] = queries.lists(mine)
    found = queries.list_by_id(mine, here.id)
    bell = actions.add_subscriber(mine, "bell@gmail.com", found, consent="yes", now=NOW, language="ru")
    assert bell.number > HIGHEST - 10_000
    with CaptureQueriesContext(connection) as asked:
        assert Search(mine, Filter(language="ru")).count() == (4, None)
        assert len(queries.filtered(mine, Filter(language="ru")).rows) == 4
        assert MemberReader(mine, LanguageCondition("ru"), TODAY).count() == 4
        assert sum(map(len, MemberReader(mine, LanguageCondition("ru"), TODAY).ids())) == 4
    assert len(asked) < 80  # Not one for each of the ten million windows of a trillion numbers.
    work = bulk.begin(mine, bulk.BulkPlan(bulk.ERASE, Filter(provider=1)), now=NOW)
    assert bulk.run(work.id, lambda: NOW)
    assert bulk.BulkAction.objects.get(id=work.id).changed == 4
    assert Subscriber.objects.filter(organization=other).count() == 1


def test_the_last_number_of_an_organization_is_followed_by_a_sentence_and_not_by_its_neighbor(
    neighbors: Any,
) -> None:
    mine, _other = neighbors
    Organization.objects.filter(pk=mine.pk).update(next_number=NUMBER_MASK - 1)
    with (
        pytest.raises(AudienceError, match="This organization has used up its subscriber numbers"),
        transaction.atomic(),
    ):
        Numbers(mine.pk).take(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Organization.objects.filter(pk=mine.pk).update(next_number=NUMBER_MASK + 1)
    for number in (-1, NUMBER_MASK + 1):
        with pytest.raises(ValueError, match="no number of a subscriber"):
            row_id(mine.pk, number)
    assert queries.subscriber_numbered(mine, NUMBER_MASK + 2) is None
    assert not data_quality.settle(mine, NUMBER_MASK + 2, "typo")
    assert Search(mine, Filter(numbers=(NUMBER_MASK + 2,))).count() == (0, None)


@pytest.fixture
def stray(neighbors: Any) -> tuple[Any, Any, Any, Any]:
    """Somebody of the second organization whose row lies among those of the first, which nothing makes happen: (first,
    a list of it with two people, the stray, how everything of the stray stands)."""
    mine, other = neighbors
    here, there = (actions.new_list(one, "News", now=NOW) for one in neighbors)
    for name in ("bell", "cleo"):
        actions.add_subscriber(
            mine, f"{name}@gmail.com", here, consent="yes", now=NOW, language="ru", values={"CITY": "Riga"}
        )
    theirs = actions.add_subscriber(other, "stray@gmial.com", there, consent="yes", now=NOW, language="ru")
    actions.add_tags(theirs, ["friends"], now=NOW)
    taken = {*Subscriber.objects.filter(organization=mine).values_list("id", flat=True)}
    number = next(number for number in range(1, 5_000) if row_id(mine.pk, number) not in taken)
    keys, held = keyring.keys(other), sealed_subscribers.COLUMN
    sealed = keys.seal(keys.open(bytes(theirs.sealed), *held, theirs.number), *held, number)
    for model in (SubscriberTag, Subscription):
        model.objects.filter(subscriber=theirs.id).update(subscriber=row_id(mine.pk, number))
    _move(theirs.id, row_id(mine.pk, number), sealed)
    return mine, here, Subscriber.objects.get(id=row_id(mine.pk, number)), standing(row_id(mine.pk, number))


def _move(id: int, to: int, sealed: bytes) -> None:
    """As whoever switches conditions off, or takes them from the table."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE audience_subscriber DROP CONSTRAINT subscriber_is_of_number")
        Subscriber.objects.filter(id=id).update(id=to, sealed=sealed)
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def standing(id: int) -> list[Any]:
    """All that is known of a row, wherever it stands."""
    return [
        [*Subscriber.objects.filter(id=id).values("id", "organization", "email_index", "language", "source")],
        [bytes(blob) for blob in Subscriber.objects.filter(id=id).values_list("sealed", flat=True)],
        [*Subscription.objects.filter(subscriber=id).values_list("list", "status", "mail_verdict")],
        [*SubscriberTag.objects.filter(subscriber=id).values_list("tag", flat=True)],
    ]


@pytest.mark.parametrize("deed", [bulk.TAG, bulk.UNTAG, bulk.MOVE, bulk.REMOVE, bulk.ERASE])
@pytest.mark.parametrize("ticked", [False, True])
def test_bulk_work_touches_nobody_of_another_organization(deed: str, ticked: bool, stray: Any) -> None:
    mine, here, one, before = stray
    tag = actions.tags_for(mine, ["spring"])["spring"]
    to = actions.new_list(mine, "Other news", now=NOW)
    for bell in Subscriber.objects.filter(organization=mine) if deed == bulk.UNTAG else ():
        actions.add_tags(bell, ["spring"], now=NOW)
    if deed in (bulk.UNTAG, bulk.REMOVE, bulk.MOVE):  # As if even the list and the tag were mine.
        SubscriberTag.objects.create(subscriber_id=one.id, tag_id=tag)
        Subscription.objects.create(
            subscriber_id=one.id, list=here, status=STATUSES.index("subscribed"), mail_verdict=1, since=TODAY
        )
        before = standing(one.id)
    everybody = Subscriber.objects.filter(id__gte=row_id(mine.pk, 0), id__lt=row_id(mine.pk + 1, 0))
    whom = Filter(numbers=tuple(row.number for row in everybody)) if ticked else Filter(language="ru")
    plan = bulk.BulkPlan(deed, whom, tag=tag, list=here.id, to=to.id, words="Asked for it.")
    work = bulk.begin(mine, plan, now=NOW)
    assert bulk.run(work.id, lambda: NOW)
    work.refresh_from_db()
    assert (work.changed, standing(one.id)) == (2, before)
    if bulk.may_undo(work, NOW):
        bulk.undo(work, now=NOW)
        assert bulk.run(work.id, lambda: NOW)
        assert standing(one.id) == before


def test_no_page_count_file_or_look_through_meets_somebody_of_another_organization(stray: Any) -> None:
    mine, _here, one, before = stray
    assert one.number not in {row.number for row in queries.page(mine).rows}
    assert one.number not in {row.number for row in queries.filtered(mine, Filter(language="ru")).rows}
    assert not queries.rows_of(mine, [one.id])
    home = export_people.ExportContext(mine)
    assert {row[0] & NUMBER_MASK for page in export_people.pages(home) for row in page}.isdisjoint({one.number})
    assert not export_people.whole(home, [one.id])
    # The comparison alone goes by the number, which says whose they are.
    assert consistency.check_page(mine, 0, NOW)[0].subscribers == 3
    assert actions.settle_again(mine, [one.number], now=NOW) == 0
    assert data_quality.scan(NOW + timedelta(days=1), 60)
    assert not data_quality.newest(mine, "typo")
    [field] = [one for one in queries.fields(mine) if one.tag == "CITY"]
    assert actions.count_values(mine, field.number).seen == 2
    who = FieldCondition(field.number, "is", "Riga")
    assert MemberReader(mine, who, TODAY).count() == 2
    actions.remove_field(mine, field.number, now=NOW)
    assert actions.clear_removed(NOW, 60)
    assert not audience_sql.there(mine.pk, [one.id])
    assert not audience_sql.hold_subscribers(mine.pk, [one.id])
    assert not [*consent_writer.blinds_among(mine, keyring.keys(mine), [one.id])]
    assert standing(one.id) == before
