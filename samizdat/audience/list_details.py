"""What is sealed of a list: its name, and what its letters and its form say."""

from msgspec import Struct

from samizdat.audience.models import List
from samizdat.vault.keyring import OrganizationKeys


class ListDetails(Struct, frozen=True):
    """reminder: why readers get its letters. purpose and appeals: the words that they agree to, for letters and for
    appeals; without words for appeals nobody is asked."""

    from_name: str = ""
    from_email: str = ""
    reminder: str = ""
    purpose: str = ""
    appeals: str = ""


def list_name(keys: OrganizationKeys, list: List) -> str:
    """Its name in plain."""
    return keys.open(bytes(list.name_sealed), "list", "name", list.id).decode()
