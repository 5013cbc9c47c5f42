"""One organization has only so many lists, forms and fields that the others never wait for it."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import bulk_consent_writer, consistency, limits, queries, sql
from samizdat.audience.actions import fields, forms, preferences
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.lists import tags_for
from samizdat.audience.errors import (
    FieldRefused,
    FormRefused,
    ImportRefused,
    TooManyLists,
    TooManyRecords,
    TooManyTags,
    TooMuchText,
)
from samizdat.audience.imports import inspect, stretches, writer
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.imports.reading.parse import NEW, ReaderOrder, ReadRow, ReadSlice
from samizdat.audience.imports.reading.subprocess_reader import ReadingBroke
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.imports.run import SPLIT
from samizdat.audience.models import (
    STATUSES,
    ConsentRecord,
    Import,
    List,
    Reject,
    Subscriber,
    SubscriberTag,
    Subscription,
    Tag,
)
from samizdat.audience.tags_and_fields import tag_name
from samizdat.core.crypto import seal
from samizdat.vault import keyring
from tests.audience.test_uploads import upload
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the real numbers, in a moment."""
    for module in (audience.lists, forms, fields):
        for name in ("LISTS", "FORMS", "FIELDS"):
            monkeypatch.setattr(module, name, 3, raising=False)


def test_there_are_only_so_many_lists_forms_and_fields(lantern: Any, few: None) -> None:
    lists = [audience.new_list(lantern, f"List {n}", now=NOW) for n in range(3)]
    with pytest.raises(TooManyLists, match="at most 3 lists"):
        audience.new_list(lantern, "One more", now=NOW)
    facts = FormFacts("F", "en", (lists[0].id,), "I agree.")
    made = [forms.make_form(lantern, facts, now=NOW) for _ in range(3)]
    with pytest.raises(FormRefused, match="at most 3 forms"):
        forms.make_form(lantern, facts, now=NOW)
    forms.remove_form(made[0], now=NOW)
    forms.make_form(lantern, facts, now=NOW)
    while len(queries.fields(lantern)) < 3:
        fields.add_field(lantern, f"T{len(queries.fields(lantern))}", "T", now=NOW)
    with pytest.raises(FieldRefused, match="at most 3 fields"):
        fields.add_field(lantern, "MORE", "More", now=NOW)


def test_files_of_more_columns_than_a_page_can_map_are_refused(lantern: Any) -> None:
    columns = limits.COLUMNS // 2 + 1
    heading = ",".join(["email", *(f"c{n}" for n in range(columns - 1))])
    data = f"{heading}\na@post.example{',' * (columns - 1)}".encode()
    one, other = HeldUpload("one.csv", data), HeldUpload("other.csv", data)

    def look(*uploads: HeldUpload) -> None:
        inspect.found_in(inspect.handed(uploads), None, inspect.pieces_of(uploads), thorough=True)

    look(one)
    with pytest.raises(ImportRefused, match="more than 500 columns together"):
        look(one, other)


def test_a_form_opens_only_what_it_names(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of settings opens every form, and each of thousands of tags would cost for each of them."""
    tags = tags_for(lantern, [f"tag {n}" for n in range(40)])
    lists = [audience.new_list(lantern, f"List {n}", now=NOW) for n in range(3)]
    topic = Tag.objects.get(pk=tags["tag 7"])
    for list_ in lists:
        forms.make_form(lantern, FormFacts("F", "en", (list_.id,), "I agree.", topics=(topic.id,)), now=NOW)
    opened: list[str] = []
    seen = keyring.OrganizationKeys.open

    def noted(keys: Any, blob: bytes, table: str, *rest: Any) -> bytes:
        opened.append(table)
        return seen(keys, blob, table, *rest)

    monkeypatch.setattr(keyring.OrganizationKeys, "open", noted)
    assert preferences.topics_of(List.objects.select_related("organization").get(pk=lists[0].pk)) == {
        topic.id: tag_name(keyring.keys(lantern), topic)
    }
    assert opened.count("tag") <= 2 and opened.count("list") <= 2


# -- consent records of one subscriber --------------------------------------------------------------------------


@pytest.fixture
def full(lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch) -> Subscriber:
    """Ada is subscribed, and on record with as many facts as there can be."""
    ada = audience.add_subscriber(lantern, "ada@post.example", letter, consent="Yes.", now=NOW)
    for _ in range(2):
        audience.unsubscribe(ada, letter, now=NOW, way="form")
        audience.undo_unsubscribe(ada, letter, now=NOW)
    monkeypatch.setattr(limits, "RECORDS", 5)
    assert _records(ada) == 5
    return ada


def _records(subscriber: Subscriber) -> int:
    return ConsentRecord.objects.filter(subscriber=subscriber).count()


def _status(subscriber: Subscriber, list: List) -> str:
    return next(of.status for of in queries.card(subscriber, NOW).lists if of.list_id == list.id)


def test_who_has_as_many_consent_records_as_there_can_be_leaves_and_does_not_come_back(
    lantern: Any, letter: Any, full: Subscriber
) -> None:
    """Each change reads all of them for each list, while others wait; a no is refused to nobody."""
    with pytest.raises(TooManyRecords, match="no further consent is recorded"):
        audience.add_subscriber(lantern, "ada@post.example", letter, consent="Yes.", now=NOW)
    audience.confirm(full, letter, now=NOW)
    audience.sign_up(lantern, "ada@post.example", letter, wording="Yes.", now=NOW)
    assert (_records(full), _status(full, letter)) == (5, "subscribed")
    for _ in range(9):
        audience.unsubscribe(full, letter, now=NOW, way="form")
        assert _status(full, letter) == "unsubscribed"
        assert not audience.undo_unsubscribe(full, letter, now=NOW)
    assert _records(full) == 6
    audience.object_to_mail(lantern, subscriber=full, now=NOW)
    assert _records(full) == 8 and not consistency.check_projections(lantern, NOW).wrong


def test_bulk_actions_record_no_yes_of_who_has_as_many_consent_records_as_there_can_be(
    lantern: Any, letter: Any, full: Subscriber
) -> None:
    boris = audience.add_subscriber(lantern, "boris@post.example", letter, consent="Yes.", now=NOW)
    for kind, expected in (("given", 5), ("withdrawn", 6), ("returned", 6)):
        bulk_consent_writer.write(letter, [full.id, boris.id], kind, {}, NOW)
        assert _records(full) == expected
    assert (_status(full, letter), _status(boris, letter)) == ("unsubscribed", "subscribed")


def test_files_add_a_new_no_and_nothing_else_to_as_many_consent_records_as_there_can_be(
    lantern: Any, letter: Any, full: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_RECORDS", 1)
    answers = (("LEAVE_TIME=left_time",), ())
    for year in range(2000, 2009):
        rows = f"ada@post.example,unsubscribed,{year}-03-01\nboris@post.example,unsubscribed,{year}-03-01\n"
        data = f"email,status,LEAVE_TIME\n{rows}".encode()
        audience.direct(lantern, letter, [HeldUpload("people.csv", data)], now=lambda: NOW, answers=answers)
        assert (_records(full), _status(full, letter)) == (6, "unsubscribed")
    other = audience.new_list(lantern, "Courts", now=NOW)
    data = b"email,status\nada@post.example,subscribed\nboris@post.example,subscribed\n"
    audience.direct(lantern, other, [HeldUpload("others.csv", data)], now=lambda: NOW)
    assert (_records(full), _status(full, other)) == (6, "nonsubscribed")
    assert not consistency.check_projections(lantern, NOW).wrong


def test_the_comparison_reads_fewer_people_at_once_where_they_have_many_records(
    lantern: Any, letter: Any, full: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(4):
        audience.add_subscriber(lantern, f"reader{place}@post.example", letter, consent="Yes.", now=NOW)
    monkeypatch.setattr(consistency, "PAGE_RECORDS", 5)
    asked: list[int] = []
    consent_of = sql.digested_consent_of
    monkeypatch.setattr(sql, "digested_consent_of", lambda ids: asked.append(len(rows := [*consent_of(ids)])) or rows)
    assert consistency.check_projections(lantern, NOW).subscribers == 5
    assert sum(asked) == 9 and max(asked) <= 5


def brought(lantern: Any, letter: Any, text: str, progress: Any = None) -> Import:
    row = audience.inspect(upload(lantern, letter, "people.csv", text.encode()).id, now=lambda: NOW)
    audience.start(row, now=NOW, by=None)
    audience.run_import(row.id, now=lambda: NOW, progress=progress)
    row.refresh_from_db()
    return row


def sentences(row: Import) -> list[str]:
    return [
        sentence_of(reject.code, reject.values) for reject in Reject.objects.filter(import_run=row).order_by("line")
    ]


def standing(letter: Any) -> dict[str, str]:
    rows = Subscription.objects.filter(list=letter).select_related("subscriber").order_by("subscriber")
    return {queries.address_of(row.subscriber): STATUSES[row.status] for row in rows}


TAGS = '"' + ",".join(f"t{n}" for n in range(201)) + '"'


@pytest.mark.django_db(transaction=True)
def test_a_row_of_more_tags_than_a_subscriber_may_have_stays_out_with_a_sentence_and_its_no_is_heard(
    lantern: Any, letter: Any
) -> None:
    text = f"email,status,tags\nmany@x.example,subscribed,{TAGS}\n"
    text += f"no@x.example,unsubscribed,{TAGS}\nfew@x.example,subscribed,t\n"
    row = brought(lantern, letter, text)
    assert sentences(row) == [
        "This subscriber would have more than 200 tags. Check that the right column is used for tags, or remove some "
        "of them."
    ]
    assert standing(letter) == {"no@x.example": "unsubscribed", "few@x.example": "subscribed"}
    assert SubscriberTag.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_second_file_and_no_hand_gives_a_subscriber_more_tags(lantern: Any, letter: Any) -> None:
    first, second = (",".join(f"{letter_}{n}" for n in range(150)) for letter_ in "ab")
    head = "email,status,tags\n"
    brought(lantern, letter, f'{head}ada@x.example,subscribed,"{first}"\nben@x.example,subscribed,"{first}"\n')
    row = brought(
        lantern, letter, f'{head}ada@x.example,subscribed,"{second}"\nben@x.example,unsubscribed,"{second}"\n'
    )
    assert len(sentences(row)) == row.counts["rejected"] == 1
    assert row.counts["rows"] == sum(row.counts[name] for name in SPLIT)
    assert standing(letter) == {"ada@x.example": "subscribed", "ben@x.example": "unsubscribed"}
    ada = Subscriber.objects.order_by("id")[0]
    audience.add_tags(ada, [f"c{n}" for n in range(50)], now=NOW)
    with pytest.raises(TooManyTags, match="at most 200 tags"):
        audience.add_tags(ada, ["one more"], now=NOW)
    ids = list(Subscriber.objects.order_by("id").values_list("id", flat=True))
    assert sql.tag_many(Tag.objects.order_by("-id")[0].pk, ids) == ids[1:]


@pytest.mark.django_db(transaction=True)
def test_a_slice_of_an_import_writes_only_so_many_tags_and_bytes_in_one_transaction(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "MOST_TAG_ROWS", 1_000)
    cell = '"' + ",".join(f"t{n}" for n in range(150)) + '"'
    written: list[int] = []
    text = "email,status,tags\n" + "".join(f"r{n}@x.example,subscribed,{cell}\n" for n in range(20))
    row = brought(lantern, letter, text, lambda _far: written.append(SubscriberTag.objects.count()))
    assert written == [900, 1_800, 2_700, 3_000]
    assert row.counts["added"] == 20
    monkeypatch.setattr(stretches, "HEAVIEST_SLICE", 20_000)
    people: list[int] = []
    text = "email,status,notes\n" + "".join(f"h{n}@x.example,subscribed,{'e' * 6_000}\n" for n in range(7))
    brought(lantern, letter, text, lambda far: people.append(far.rows))
    assert people == [3, 6, 7]


def test_a_reader_that_was_taken_over_gives_nobody_more_than_a_subscriber_may_have(lantern: Any) -> None:
    keys, order = keyring.keys(lantern), ReaderOrder("generic", [], {}, {}, "2026-11-30")

    def read(plain: dict[int, str], *tags: str) -> None:
        row = ReadRow(seal.pack({seal.ADDRESS: "a@x.example", **plain}), 4, "", "2026-11-30", tags, (), 2, NEW)
        list(stretches.in_order([ReadSlice(0, "a.csv", (0, 1, 0), 1, 1, [row])], keys, order))

    read({seal.NOTES: "short"}, "tag")
    for plain, tags in (({seal.NOTES: "e" * 70_000}, ()), ({}, map(str, range(201)))):
        with pytest.raises(ReadingBroke):
            read(plain, *tags)


@pytest.mark.django_db(transaction=True)
def test_what_is_too_long_for_a_subscriber_stays_out_with_a_sentence_and_its_no_is_heard(
    lantern: Any, letter: Any
) -> None:
    wide = ",".join(["e" * 9_000] * 8)
    head = "email,status," + ",".join(f"c{n}" for n in range(8))
    text = (
        f"{head}\nlong@x.example,subscribed,{'e' * 10_001}{',' * 7}\nheavy@x.example,subscribed,{wide}\n"
        f"no@x.example,unsubscribed,{wide}\nfits@x.example,subscribed,{'ж' * 10_000}{',' * 7}\n"
    )
    row = brought(lantern, letter, text)
    assert sentences(row) == [
        "A cell in this line is longer than 10,000 characters. Shorten it and import the file again.",
        "This subscriber would have more than 64 KB of text. Shorten this line, or import fewer columns.",
    ]
    assert standing(letter) == {"no@x.example": "unsubscribed", "fits@x.example": "subscribed"}


@pytest.mark.django_db(transaction=True)
def test_nobody_grows_without_end_by_files_of_other_columns(lantern: Any, letter: Any) -> None:
    for n in range(3):
        head = "email,status," + ",".join(f"f{n}x{c}" for c in range(3))
        row = brought(lantern, letter, f"{head}\nada@x.example,subscribed,{','.join(['e' * 9_000] * 3)}\n")
    assert [s[:59] for s in sentences(row)] == ["This subscriber would have more than 64 KB of text. Shorten"]
    ada = Subscriber.objects.get()
    assert 54_000 < len(ada.sealed) < limits.HEAVIEST_SUBSCRIBER
    with pytest.raises(TooMuchText):
        audience.change_values(ada, {"NEW": "e" * 12_000}, now=NOW)
