"""What is sealed of a list: its name, and what its letters and its form say."""

from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts.default_sender import DefaultSender
from samizdat.audience.errors import ListArchived
from samizdat.audience.models import List
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


class ListDetails(Struct, frozen=True):
    """reminder: why readers get its letters. purpose and appeals: the words that they agree to, for letters and for
    appeals; without words for appeals nobody is asked. form_slug: of its public sign-up page; "" where it has none. The
    column beside it keeps addresses apart and opens nothing. agreed: words of it that mails to strangers may say
    (actions/mailed_words.py). archived and deleted: since which day, "" where it is not (actions/archive_lists.py).
    default_sender: of new campaigns alone; from_name and from_email are of its other mails too."""

    from_name: str = ""
    from_email: str = ""
    reminder: str = ""
    purpose: str = ""
    appeals: str = ""
    form_slug: str = ""
    agreed: tuple[str, ...] = ()
    archived: str = ""
    deleted: str = ""
    default_sender: DefaultSender = DefaultSender()

    @property
    def page_slug(self) -> str:
        """Of the sign-up page that is open now."""
        return "" if self.archived else self.form_slug


def list_name(keys: OrganizationKeys, list: List) -> str:
    """Its name in plain."""
    return keys.open(bytes(list.name_sealed), "list", "name", list.id).decode()


def open_details(keys: OrganizationKeys, list: List) -> ListDetails:
    """Errors: SealError."""
    return keys.open_json(list.details_sealed, "list", "details", list.id, ListDetails)


def insist_open(list: List) -> None:
    """Before somebody joins it. Errors: ListArchived."""
    if open_details(keyring.keys(list.organization), list).archived:
        sentence = _("The list “%(name)s” is archived. Restore it first, or choose another list.")
        raise ListArchived(sentence % {"name": list_name(keyring.keys(list.organization), list)})
