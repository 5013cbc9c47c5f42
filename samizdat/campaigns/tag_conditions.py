"""Tags of readers that the conditions of a letter ask for, in all its versions: as written, and as compiled.

Who carries them is kept with its release, and with a second person's yes, since they stand in the open in the database.
"""

from collections.abc import Iterable
from datetime import datetime

from samizdat.audience import condition_values
from samizdat.audience.condition_values import Asked
from samizdat.campaigns.content import compile_version
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.core.content.message import CompiledContent
from samizdat.core.content.render import conditions_of


def of_draft(opened: OpenedCampaign, now: datetime) -> Asked:
    letters = [compile_version(version, now).letter for version in opened.versions]
    conditions = [condition for letter in letters for condition in conditions_of(letter)]
    return condition_values.asked(conditions, opened.sources.known_tags)


def of_compiled(opened: OpenedCampaign, letters: Iterable[CompiledContent]) -> Asked:
    """Tags by their names as they were when it was opened: what a yes is bound to."""
    branches = [branch for letter in letters for choice in letter.choices for branch in choice.branches]
    conditions = [condition for condition, _first, _last in branches if condition]
    return condition_values.asked(conditions, opened.sources.known_tags)
