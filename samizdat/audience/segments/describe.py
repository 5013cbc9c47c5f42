"""How a segment is said, and read where it was typed."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.list_details import list_name
from samizdat.audience.models import List
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.core import segment
from samizdat.labels import field_label
from samizdat.vault import keyring


def read(data: Any) -> segment.Tree:
    """The tree of a JSON text or value. Errors: SegmentRefused."""
    try:
        return segment.loads(data) if isinstance(data, str) else segment.read(data)
    except segment.BadSegment as bad:
        raise refused(bad) from None


def refused(bad: segment.BadSegment) -> SegmentRefused:
    """What core says, in the language of this moment."""
    return SegmentRefused(bad.code, _(segment.SENTENCES[bad.code]))


class Names:
    """What tags, lists, fields and campaigns are called, opened once. `subject`: of a campaign; `words`: a code of
    language, provider or verdict as the door says it.
    """

    def __init__(
        self, organization: Organization, subject: Callable[[int], str], words: Callable[[str, str], str] | None = None
    ) -> None:
        self.organization = organization
        self._keys = keyring.keys(organization)
        self._subject = subject
        self._words = words or (lambda _kind, code: code)

    @cached_property
    def tags(self) -> dict[int, str]:
        return tags_and_fields.all_tags(self.organization, self._keys)

    @cached_property
    def lists(self) -> dict[int, str]:
        rows = List.objects.filter(organization=self.organization).order_by("created", "id")
        return {row.id: list_name(self._keys, row) for row in rows}

    @cached_property
    def fields(self) -> dict[int, str]:
        """Number of a field -> its label, or its merge tag."""
        known = tags_and_fields.all_fields(self.organization, self._keys)
        return {number: field_label(tag, label) for tag, (number, label, *_more) in known.items()}

    def __call__(self, kind: str, value: Any) -> str:
        """As core/segment.explain wants it: quoted what has a name of its own."""
        match kind:
            case "tag" | "list" | "field" | "campaign":
                return self._quoted(kind, value)
            case "day":
                return formatting.shaped(value, "day")
            case "days":
                return ngettext("%(n)s day", "%(n)s days", value) % {"n": formatting.grouped(value)}
            case "text":
                return _("“%(name)s”") % {"name": value}
        return self._words(kind, value)

    def _quoted(self, kind: str, number: int) -> str:
        if kind == "list" and number == 0:
            return _("at least one list")
        known: Mapping[int, str] = {"tag": self.tags, "list": self.lists, "field": self.fields}.get(kind, {})
        name = self._subject(number) if kind == "campaign" else known.get(number, "")
        return _("“%(name)s”") % {"name": name} if name else _("something that was deleted")

    def sentence(self, tree: segment.Tree) -> str:
        """The whole segment in one sentence, in the language of this moment."""
        return segment.explain(tree, self, {key: _(text) for key, text in segment.WORDS.items()})

    def clause(self, leaf: segment.Tree, *, no: bool = False) -> str:
        return segment.clause(leaf, self, {key: _(text) for key, text in segment.WORDS.items()}, no=no)
