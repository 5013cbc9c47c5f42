"""A tag gets another name, and whoever carries it goes on doing so."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.errors import TagRefused
from samizdat.audience.models import Tag
from samizdat.events.models import Event
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


def _tag(organization: Any, name: str) -> Tag:
    return Tag.objects.get(pk=audience.tags_for(organization, [name])[name])


def test_a_renamed_tag_is_found_by_its_new_name_alone(lantern: Any) -> None:
    tag = _tag(lantern, "press")
    audience.rename_tag(tag, " News   people ", now=NOW)
    assert queries.tags(lantern) == [(tag.pk, "News people")]
    assert queries.tag_named(lantern, "news people") == tag
    assert queries.tag_named(lantern, "press") is None
    assert Event.objects.filter(kind="tag.renamed", about=tag.pk).count() == 1
    audience.rename_tag(tag, "NEWS people", now=NOW)
    assert queries.tags(lantern) == [(tag.pk, "NEWS people")]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u0007b", "BOOKS"])
def test_a_name_that_cannot_be_is_refused(lantern: Any, name: str) -> None:
    tag, _other = _tag(lantern, "press"), _tag(lantern, "books")
    with pytest.raises(TagRefused):
        audience.rename_tag(tag, name, now=NOW)
    assert [known for _number, known in queries.tags(lantern)] == ["books", "press"]


def test_a_deleted_tag_gets_no_name(lantern: Any) -> None:
    tag = _tag(lantern, "press")
    audience.remove_tag(tag, now=NOW)
    with pytest.raises(TagRefused):
        audience.rename_tag(tag, "papers", now=NOW)
    assert queries.tags(lantern) == []
