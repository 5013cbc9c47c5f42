"""One organization has only so many lists, forms and fields that the others never wait for it."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import limits, queries
from samizdat.audience.actions import fields, forms, preferences
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.lists import tags_for
from samizdat.audience.errors import FieldRefused, FormRefused, ImportRefused, TooManyLists
from samizdat.audience.imports import inspect
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.models import List, Tag
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
