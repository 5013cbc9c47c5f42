"""One organization has only so many lists, forms and fields that the others never wait for it."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import bulk_consent_writer, consistency, limits, queries, sql
from samizdat.audience.actions import fields, forms, preferences
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.lists import tags_for
from samizdat.audience.errors import FieldRefused, FormRefused, ImportRefused, TooManyLists, TooManyRecords
from samizdat.audience.imports import inspect, writer
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.models import ConsentRecord, List, Subscriber, Tag
from samizdat.audience.tags_and_fields import tag_name
from samizdat.vault import keyring
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
