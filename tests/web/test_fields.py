"""Merge fields at the desk: added, renamed, and removed after a page that says what goes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions, queries
from samizdat.audience.actions import FieldShape
from samizdat.audience.models import Field
from samizdat.audience.segment_conditions.field import FieldCondition
from tests.conftest import NOW
from tests.web.conftest import CONSENT, House, make_campaign

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _tags(here: House) -> list[str]:
    return [view.tag for view in queries.fields(here.organization)]


def test_an_editor_adds_a_field_and_renames_it(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.post(_to(here, "fields"), {"tag": "book", "label": "Book", "default": "a book"}, follow=True)
    assert "Field BOOK created." in page.content.decode()
    number = next(view.number for view in queries.fields(here.organization) if view.tag == "BOOK")
    client.post(_to(here, "field", number), {"tag": "READS", "label": "Reads", "default": ""})
    assert "READS" in _tags(here) and "BOOK" not in _tags(here)


def test_only_an_admin_unseals_what_people_have_told_of_themselves(here: House, desk: Desk) -> None:
    actions.add_field(here.organization, "AGE", "Age", now=NOW, shape=FieldShape("number"))
    number = next(view.number for view in queries.fields(here.organization) if view.tag == "AGE")
    form = {"tag": "AGE", "label": "Age", "default": "", "kind": "number", "readable": "on"}
    refused = desk("editor").post(_to(here, "field", number), form)
    assert (
        refused.status_code == 422
        and "Only an admin can make a field that has values usable in segments" in refused.content.decode()
    )
    assert not Field.objects.get(organization=here.organization, number=number).readable
    assert desk("admin").post(_to(here, "field", number), form).status_code == 302
    assert Field.objects.get(organization=here.organization, number=number).readable
    assert desk("editor").post(_to(here, "field", number), form | {"label": "Years"}).status_code == 302


def test_a_tag_that_cannot_be_is_refused_beside_its_field(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "fields"), {"tag": "CITY", "label": ""})
    assert answer.status_code == 422 and 'href="#f-tag"' in answer.content.decode()


def test_removing_says_how_many_have_a_value_and_which_drafts_say_it(here: House, desk: Desk) -> None:
    actions.change_values(here.ada, {"CITY": "Riga"}, now=NOW)
    draft = make_campaign(here, "Where the river goes", "Dear reader in *|CITY|*,\n\nhello.\n")
    actions.add_segment(here.organization, "In Riga", FieldCondition(here.field, "is", "Riga"), now=NOW)
    client, page = desk("admin"), _to(here, "remove-field", here.field)
    asked = client.get(page).content.decode()
    assert "They’ll match nobody until you change them" in asked and "In Riga" in asked
    assert "1 of 2 subscribers has a value." in asked
    assert _to(here, "campaign", draft.pk) in asked and "CITY" in _tags(here)
    told = client.post(page, follow=True).content.decode()
    assert "Field CITY deleted." in told and "CITY" not in _tags(here)
    assert client.get(page).status_code == 404


def test_only_an_admin_removes_a_field(here: House, desk: Desk) -> None:
    assert desk("editor").post(_to(here, "remove-field", here.field)).status_code == 403
    assert "CITY" in _tags(here)


def test_a_field_that_a_letter_on_its_way_says_stays(here: House, desk: Desk) -> None:
    number = next(view.number for view in queries.fields(here.organization) if view.tag == "FNAME")
    client = desk("admin")
    told = client.post(_to(here, "remove-field", number), follow=True).content.decode()
    assert "is being sent and uses FNAME" in told
    renamed = client.post(_to(here, "field", number), {"tag": "FIRST", "label": "First name", "default": ""})
    assert renamed.status_code == 422
    kept = client.post(_to(here, "field", number), {"tag": "FNAME", "label": "First", "default": "friend"})
    assert kept.status_code == 302 and "FNAME" in _tags(here)


def test_a_long_count_goes_on_in_the_page(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.audience.actions import fields

    monkeypatch.setattr(fields, "LOOK", 1)
    monkeypatch.setattr(fields.time, "monotonic", iter(range(0, 10_000, 5)).__next__)
    actions.add_subscriber(here.organization, "eve@lantern.example", here.list, consent=CONSENT, now=NOW)
    client, page = desk("admin"), _to(here, "remove-field", here.field)
    first = client.get(page)
    assert "So far, " in first.content.decode()
    following = first.context["following"]
    part: Any = client.get(page, {"after": following, "having": 0, "seen": 1}, headers={"HX-Request": "true"})
    assert part.context["seen"] == 2 and "<html" not in part.content.decode()
