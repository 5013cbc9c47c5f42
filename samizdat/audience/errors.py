"""What can be refused here. `code` is for the API, str() is one sentence that says what to do."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

from samizdat.audience.limits import HEAVIEST_SUBSCRIBER, RECORDS, TAGS_EACH
from samizdat.core.imports import ImportPlan
from samizdat.formatting import grouped


class AudienceError(ValueError):
    """A wish that cannot be granted."""

    code = "refused"


class RowsAltered(RuntimeError):
    """What was sealed or recorded names a row that isn't here, and no row is ever deleted: whoever asked for something
    is asked again later, since nothing of it can be done now."""


class NoSuchList(AudienceError):
    code = "no_such_list"


class ListArchived(AudienceError):
    """Somebody would join a list that nobody joins any more."""

    code = "list_archived"


class ListInUse(AudienceError):
    """A list that something still needs as it is."""

    code = "list_in_use"


class ListNameTaken(AudienceError):
    code = "list_name_taken"


class TooManyLists(AudienceError):
    code = "too_many_lists"


class FormRefused(AudienceError):
    """A sign-up form that cannot be as it was told."""

    code = "form_refused"


class NoName(AudienceError):
    code = "no_name"


class FieldRefused(AudienceError):
    """A merge field that cannot be so. `field`: what of it is wrong, for a form."""

    def __init__(self, code: str, sentence: str, field: str = "") -> None:
        self.code, self.field = code, field
        super().__init__(sentence)


class TagRefused(AudienceError):
    code = "tag_refused"


class NoSuchSubscriber(AudienceError):
    code = "no_such_subscriber"


class NumbersUsedUp(AudienceError):
    code = "numbers_used_up"

    def __init__(self) -> None:
        super().__init__(
            _("This organization has used up its subscriber numbers. Create a new organization and import there.")
        )


class AddressErased(AudienceError):
    """The subscriber had themselves erased; only they can come back, by signing up and confirming."""

    code = "erased"

    def __init__(self) -> None:
        super().__init__(
            _("This person’s data was erased, so they can’t be added. They can sign up again themselves, with a form.")
        )


class NotAReader(AudienceError):
    """A yes to appeals of somebody who has not agreed to the letters."""

    code = "not_a_reader"

    def __init__(self) -> None:
        super().__init__(_("They aren’t subscribed to this list. Subscribe them first, then add appeals."))


class ConsentRefused(AudienceError):
    """A yes that cannot have been given so."""

    code = "consent_refused"


class TooManyRecords(AudienceError):
    """Another yes of somebody of whom limits.RECORDS facts are on record."""

    code = "too_many_records"

    def __init__(self) -> None:
        sentence = _(
            "This subscriber already has %(n)s consent records, so no further consent is recorded. Erase the "
            "subscriber, then ask them to sign up again."
        )
        super().__init__(sentence % {"n": RECORDS})


class NothingWaits(AudienceError):
    code = "nothing_waits"

    def __init__(self) -> None:
        super().__init__(
            _(
                "No confirmation is waiting, so no email was sent. To subscribe them, record their consent, or send "
                "them your sign-up form."
            )
        )


class AskedToday(AudienceError):
    code = "asked_today"

    def __init__(self) -> None:
        super().__init__(_("They were already sent a confirmation email today. Try again tomorrow."))


class AskedEnough(AudienceError):
    code = "asked_enough"

    def __init__(self, most: int) -> None:
        super().__init__(_("Your team sent %(n)s confirmation emails again today. Try again tomorrow.") % {"n": most})


class TooManyTags(AudienceError):
    code = "many_tags"

    def __init__(self) -> None:
        super().__init__(_("A subscriber can have at most %(n)s tags. Remove some first.") % {"n": TAGS_EACH})


class TooMuchText(AudienceError):
    code = "much_text"

    def __init__(self) -> None:
        sentence = _("This subscriber would have more than %(n)s KB of text. Shorten some of it.")
        super().__init__(sentence % {"n": HEAVIEST_SUBSCRIBER >> 10})


class ImportRefused(AudienceError):
    """An import that cannot begin or go on. `code` and `values` as the importers give them.

    `plan` (core/imports.py): what was found so far, where something about it has to be answered first.
    """

    def __init__(self, code: str, sentence: str, values: Mapping[str, object] | None = None) -> None:
        self.code = code
        self.values = values or {}
        self.plan: ImportPlan | None = None
        super().__init__(sentence)


class ImportTaken(AudienceError):
    code = "import_taken"

    def __init__(self) -> None:
        super().__init__(_("This import is already running. Wait until it’s done."))


class TooManyAddresses(AudienceError):
    code = "too_many_addresses"

    def __init__(self) -> None:
        super().__init__(_("You can add at most 50,000 addresses at once. Add them in several parts."))


class SuppressionListFull(AudienceError):
    code = "suppression_list_full"

    def __init__(self, most: int) -> None:
        sentence = _(
            "Your suppression list can hold %(n)s addresses. Nothing was added: add only addresses of people who "
            "might subscribe."
        )
        super().__init__(sentence % {"n": grouped(most)})


class AddressesWait(AudienceError):
    """Another paste of many addresses, while as many wait for an approval as may."""

    code = "addresses_wait"

    def __init__(self) -> None:
        super().__init__(
            _("Addresses that your team added are waiting for an admin. Once they are approved or stopped, add more.")
        )


class WrongDigest(AudienceError):
    code = "wrong_digest"


class TooManyRemovals(AudienceError):
    """The team took so many off its lists today. `many`: of whom that was asked."""

    code = "too_many_removals"

    def __init__(self, most: int, many: int) -> None:
        self.many = many
        super().__init__(self._sentence() % {"n": most})

    def _sentence(self) -> str:
        return _(
            "Without approval, your team can remove %(n)s people a day from lists. Remove the others under Bulk "
            "actions, where an admin approves it; then this is possible."
        )


class TooManyRows(AudienceError):
    """An import brings more rows than were counted when somebody began or approved it."""

    code = "too_many_rows"


class TooManyLifts(TooManyRemovals):
    """The same of addresses that come off the suppression list."""

    def _sentence(self) -> str:
        return _("Your team can take %(n)s addresses off the suppression list per day. Continue tomorrow.")


class TooManyCorrections(TooManyRemovals):
    """The same of addresses at which readers are written to."""

    def _sentence(self) -> str:
        return _(
            "Your team can remove %(n)s people from lists per day without approval, and changed addresses count "
            "too. The address wasn’t changed. Continue tomorrow."
        )
