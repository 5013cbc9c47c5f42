"""Google Contacts: `contacts.csv`, as it is written since 2024 and as it was before.

Labels stand in one cell, parted by ` ::: `; those that Google made itself begin with an asterisk. Several addresses of
one label stand in one cell in the same way, and the first of them counts. Columns are those of real exports, which
differ in how many addresses and telephones they have.
"""

from samizdat.importers.address_books import AddressBookService
from samizdat.importers.reading.text import TextTable


class GoogleContactsImporter(AddressBookService):
    """Google's contacts."""

    name = "googlecontacts"
    title = "Google Contacts"
    where = "Export → Google CSV, one label at a time"
    columns = {
        "e-mail 1 - value": ("address", ""),
        "first name": ("field:FNAME", ""),
        "given name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "family name": ("field:LNAME", ""),
        "labels": ("tags", ""),
        "group membership": ("tags", ""),
        "language": ("language", ""),
        "photo": ("out", "provider"),
        "name": ("out", ""),
        "file as": ("out", ""),
        "phonetic *": ("out", "provider"),
        **{f"e-mail {number} - {part}": ("out", "provider") for number in range(1, 10) for part in ("label", "type")},
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return "email1value" in labels and bool(labels & {"labels", "groupmembership"})
