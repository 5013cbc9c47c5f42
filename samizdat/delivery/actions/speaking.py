"""Which language version of a letter a reader gets."""

from collections import defaultdict
from collections.abc import Sequence

from samizdat import dialect
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.core import languages


def by_version(organisation: int, versions: Sequence[str], numbers: Sequence[int]) -> dict[int, list[int]]:
    """Place of a version -> who gets it, in the order of `numbers`: by the language that each of them has now.

    versions: the languages of an edition by place. One query; 6 us a reader.
    """
    rows = dialect.languages_of([row_id(organisation, number) for number in numbers])
    places = {language: languages.place_of(language, versions) or 0 for language in {said for _row, said in rows}}
    said = {row & NUMBER_MASK: places[language] for row, language in rows}
    found = defaultdict[int, list[int]](list)
    for number in numbers:
        found[said.get(number, 0)].append(number)
    return found
