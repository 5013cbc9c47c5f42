"""Tags, lists and fields, which several conditions ask for."""

from collections.abc import Collection, Mapping
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.errors import NoSuchList
from samizdat.audience.list_details import list_name
from samizdat.audience.models import List, Tag
from samizdat.audience.queries.lists import FieldView, fields, list_named, tag_named
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.audience.segments.reference import Reference
from samizdat.labels import field_label

LONGEST_NAME = 200


class TagReference(Reference):
    kind = "tag"
    gone = lazy("This segment uses a tag that no longer exists. Change or remove that condition.")

    @classmethod
    def known(cls, organization: Organization, numbers: Collection[int]) -> set[int]:
        rows = Tag.objects.filter(organization=organization, id__in=numbers, removed=False)
        return {*rows.values_list("id", flat=True)}

    @cached_property
    def names(self) -> dict[int, str]:
        return tags_and_fields.all_tags(self.organization, self.keys)

    def name(self, number: int) -> str:
        return self.names.get(number, "")

    def offered(self) -> Mapping[int, str]:
        return dict(sorted(self.names.items(), key=lambda pair: pair[1].casefold()))

    def portable(self, number: int) -> object:
        return self.names[number]

    def numbered(self, name: str) -> object:
        tag = tag_named(self.organization, name[:LONGEST_NAME])
        if tag is None:
            raise SegmentRefused("no_such_tag", _("There is no tag called “%(name)s”.") % {"name": name[:100]})
        return tag.id


class ListReference(Reference):
    kind = "list"
    gone = lazy("This segment uses a list that no longer exists. Change or remove that condition.")
    any = lazy("at least one list")

    @classmethod
    def known(cls, organization: Organization, numbers: Collection[int]) -> set[int]:
        return {*List.objects.filter(organization=organization, id__in=numbers).values_list("id", flat=True)}

    @cached_property
    def names(self) -> dict[int, str]:
        rows = List.objects.filter(organization=self.organization).order_by("created", "id")
        return {row.id: list_name(self.keys, row) for row in rows}

    def name(self, number: int) -> str:
        return self.names.get(number, "")

    def offered(self) -> Mapping[int, str]:
        return self.names

    def portable(self, number: int) -> object:
        return self.names[number]

    def numbered(self, name: str) -> object:
        try:
            return list_named(self.organization, name[:LONGEST_NAME]).id
        except NoSuchList as wrong:
            raise SegmentRefused(wrong.code, str(wrong)) from wrong


class FieldReference(Reference):
    """By its label, or its merge tag; for people who write JSON by its merge tag."""

    kind = "field"
    gone = lazy("This segment uses a field that was deleted. Change or remove that condition.")

    @classmethod
    def known(cls, organization: Organization, numbers: Collection[int]) -> set[int]:
        return {*organization.fields.filter(number__in=numbers, removed=None).values_list("number", flat=True)}

    @cached_property
    def names(self) -> dict[int, str]:
        known = tags_and_fields.all_fields(self.organization, self.keys)
        return {number: field_label(tag, label) for tag, (number, label, *_more) in known.items()}

    @cached_property
    def views(self) -> dict[int, FieldView]:
        return {view.number: view for view in fields(self.organization)}

    def name(self, number: int) -> str:
        return self.names.get(number, "")

    def offered(self) -> Mapping[int, str]:
        return {number: self.name(number) for number in self.views}

    def portable(self, number: int) -> object:
        return self.views[number].tag

    def numbered(self, name: str) -> object:
        for view in self.views.values():
            if view.tag.upper() == name.strip().upper():
                return view.number
        sentence = _("There is no field with the merge tag %(tag)s. Check the list of fields.")
        raise SegmentRefused("no_such_field", sentence % {"tag": name[:100]})
