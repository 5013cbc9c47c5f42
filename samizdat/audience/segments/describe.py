"""How a segment is said, and read where it was typed."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.audience.segments import discovery
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.audience.segments.reference import Reference
from samizdat.core import segment


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
    """What tags, lists, fields and campaigns are called, opened once. `words`: a code of language, provider or verdict
    as the door says it.
    """

    def __init__(self, organization: Organization, words: Callable[[str, str], str] | None = None) -> None:
        self.organization = organization
        self._words = words or (lambda _kind, code: code)
        self._references: dict[str, Reference] = {}

    def reference(self, kind: str) -> Any:
        """The Reference of this kind."""
        if kind not in self._references:
            self._references[kind] = discovery.references()[kind](self.organization)
        return self._references[kind]

    def __call__(self, kind: str, value: Any) -> str:
        """As core/segment.explain wants it: quoted what has a name of its own."""
        match kind:
            case "day":
                return formatting.shaped(value, "day")
            case "days":
                return ngettext("%(n)s day", "%(n)s days", value) % {"n": formatting.grouped(value)}
            case "text":
                return _("“%(name)s”") % {"name": value}
        return self._quoted(kind, value) if kind in discovery.references() else self._words(kind, value)

    def _quoted(self, kind: str, number: int) -> str:
        reference = self.reference(kind)
        if number == 0 and reference.any:
            return str(reference.any)
        name = reference.name(number)
        return _("“%(name)s”") % {"name": name} if name else _("something that was deleted")

    def sentence(self, tree: segment.Tree) -> str:
        """The whole segment in one sentence, in the language of this moment."""
        return segment.explain(tree, self, _)

    def clause(self, leaf: segment.Tree, *, no: bool = False) -> str:
        return segment.clause(leaf, self, _, no=no)
