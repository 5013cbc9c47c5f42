"""What is sealed of a list: its name, and what its letters and its form say."""

from msgspec import Struct

from samizdat.audience.models import List
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.sealed_json import open_json


class ListDetails(Struct, frozen=True):
    """reminder: why readers get its letters. purpose and appeals: the words that they agree to, for letters and for
    appeals; without words for appeals nobody is asked. form_slug: of its public sign-up page; "" where it has none. The
    column beside it keeps addresses apart and opens nothing. agreed: words of it that mails to strangers may say
    (actions/mailed_words.py)."""

    from_name: str = ""
    from_email: str = ""
    reminder: str = ""
    purpose: str = ""
    appeals: str = ""
    form_slug: str = ""
    agreed: tuple[str, ...] = ()


def list_name(keys: OrganizationKeys, list: List) -> str:
    """Its name in plain."""
    return keys.open(bytes(list.name_sealed), "list", "name", list.id).decode()


def open_details(keys: OrganizationKeys, list: List) -> ListDetails:
    """Errors: SealError."""
    return open_json(keys, list.details_sealed, "list", "details", list.id, ListDetails)
