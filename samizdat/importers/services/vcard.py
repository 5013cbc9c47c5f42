"""vCard 2.1, 3.0 and 4.0: contacts of Apple, Android, Nextcloud and most other address books.

The columns are those that `reading/vcards.py` makes of the cards.
"""

from samizdat.core.imports import JSON_LINES
from samizdat.importers.address_books import AddressBookService
from samizdat.importers.reading.text import TextTable


class VCardImporter(AddressBookService):
    """An address book as vCards."""

    name = "vcard"
    title = "vCard"
    where = "Apple, Android, Nextcloud: Contacts → Export (.vcf)"
    listed = False
    columns = {
        "e-mail": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "categories": ("tags", ""),
        "language": ("language", ""),
        "revision": ("out", "provider"),
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return sheet.delimiter == JSON_LINES and {"email", "otheremail", "categories", "revision"} <= labels
