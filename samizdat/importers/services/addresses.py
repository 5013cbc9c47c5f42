"""Pasted addresses, and files of them: `Anna Berg <anna@example.org>, boris@example.org`, or one a line.

So do Mailman's `list_members`, with and without `-f`, Medium's list and every mail program write them.
"""

from samizdat.core.imports import ADDRESS_LIST
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service


class AddressListImporter(Service):
    """Addresses with or without names."""

    name = "addresses"
    columns = {"e-mail": ("address", ""), "name": ("name", "")}

    def looks_like(self, name: str, sheet: TextTable) -> bool:
        return sheet.delimiter == ADDRESS_LIST

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return sheet.delimiter == ADDRESS_LIST
