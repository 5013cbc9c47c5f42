"""What the conditions of a letter ask of its readers, in all its versions: as written, and as compiled.

Who carries the tags is kept with its release, and with a second person's yes, since they stand in the open in the
database. Fields are sealed, so they are read when a message is made; but where a second person has to agree, whoever
may edit a subscriber would choose after the yes who reads what: so whether a condition on a field holds is kept too.
"""

from collections.abc import Iterable
from datetime import datetime

from samizdat.audience import condition_values
from samizdat.audience.condition_values import Asked
from samizdat.campaigns.content import compile_version, flaws_error
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.core.content.compile import condition_flaws
from samizdat.core.content.merge import MergeCondition
from samizdat.core.content.message import CompiledContent
from samizdat.core.content.render import conditions_of


def of_draft(opened: OpenedCampaign, now: datetime) -> Asked:
    """For a yes. Errors: ContentHasProblems."""
    letters = [compile_version(version, now).letter for version in opened.versions]
    return _asked(opened, [condition for letter in letters for condition in conditions_of(letter)], with_fields=True)


def of_compiled(opened: OpenedCampaign, letters: Iterable[CompiledContent]) -> Asked:
    """Tags by their names as they were when it was opened: what a yes is bound to. Errors: ContentHasProblems."""
    branches = [branch for letter in letters for choice in letter.choices for branch in choice.branches]
    conditions = [condition for condition, _first, _last in branches if condition]
    return _asked(opened, conditions, with_fields=opened.settings.requires_approval)


def _asked(opened: OpenedCampaign, conditions: list[MergeCondition], *, with_fields: bool) -> Asked:
    if flaws := condition_flaws(conditions):
        raise flaws_error(flaws)
    tags = condition_values.asked(conditions, opened.sources.known_tags)
    if not with_fields or opened.campaign.welcome:  # A welcome email has no readers yet.
        return tags
    return tags | condition_values.of_fields(conditions, opened.sources.numbers)
