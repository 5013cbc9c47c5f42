"""Fields and tags that say who gives money are refused, as an import leaves such columns out: they can get people
prosecuted."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from samizdat.api.problems import ApiProblem
from samizdat.core.imports import OUT_BECAUSE
from samizdat.importers.reading import sentences


def refuse_donors(fields: Iterable[tuple[str, str]], tags: Iterable[str]) -> None:
    """fields: (tag, label). Errors: ApiProblem 422."""
    reasons = [sentences.private_because(name, ()) for field in fields for name in field if name]
    reasons += ["donations" for tag in tags if sentences.says_who_gives(tag)]
    for reason in filter(None, reasons):
        raise ApiProblem(422, f"refused_{reason}", _(OUT_BECAUSE[reason]))
