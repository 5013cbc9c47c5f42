"""What lists are called: sealed, so it takes the keys to say it."""

from samizdat.audience.models import List
from samizdat.vault.keyring import OrganizationKeys


def list_name(keys: OrganizationKeys, list: List) -> str:
    """Its name in plain."""
    return keys.open(bytes(list.name_sealed), "list", "name", list.id).decode()
