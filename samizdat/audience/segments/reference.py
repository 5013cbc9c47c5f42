"""What conditions ask for by its number, and people by its name: tags, lists, fields, campaigns."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import ClassVar

from django.utils.functional import Promise

from samizdat.accounts.models import Organization
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


class Reference(ABC):
    """One kind of it, in one organization; opened once. Found where conditions are (segments/discovery.py)."""

    kind: ClassVar[str]  # As Condition.refers has it.
    gone: ClassVar[Promise]  # A sentence: the segment asks for one that is not there any more.
    any: ClassVar[Promise | None] = None  # What the number 0 is called.

    def __init__(self, organization: Organization) -> None:
        self.organization = organization

    @cached_property
    def keys(self) -> OrganizationKeys:
        return keyring.keys(self.organization)

    @classmethod
    @abstractmethod
    def known(cls, organization: Organization, numbers: Collection[int]) -> set[int]:
        """Those of these numbers that a segment may ask for."""

    @abstractmethod
    def name(self, number: int) -> str:
        """How it is called; "" for what is gone."""

    @abstractmethod
    def offered(self) -> Mapping[int, str]:
        """Number -> name of those that can be chosen, in their order."""

    def options(self) -> list[tuple[str, str]]:
        """The same for a form."""
        some = [(str(number), name) for number, name in self.offered().items()]
        return [*some, ("0", str(self.any))] if self.any else some

    # Where it has no name that another installation could know, its number stays.

    def portable(self, number: int) -> object:
        """What stands for it in the JSON that people write."""
        return number

    def numbered(self, name: str) -> object:
        """The number of what people wrote. Errors: AudienceError."""
        return name
