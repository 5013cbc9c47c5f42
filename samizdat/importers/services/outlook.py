"""Outlook: contacts as CSV, of its program and of outlook.com, in English, Russian, German and French.

Headings are translated, of the program even the words in them; each of these languages has its own table here, taken
from public programs that read or write such files. Of other languages the address is known by its label or its cells,
as of any list.
"""

from samizdat.importers.address_books import AddressBookService
from samizdat.importers.reading.text import TextTable

# Label of the address, of the first and the last name, of the categories, of the language, of the kind of address,
# of the name shown with it, and of how a contact is reached.
LANGUAGES = (
    ("e-mail address", "first name", "last name", "categories", "language", "e-mail type", "e-mail display name"),
    ("адрес эл. почты", "имя", "фамилия", "категории", "язык", "тип эл. почты", "краткое имя эл. почты"),
    ("e-mail-adresse", "vorname", "nachname", "kategorien", "sprache", "e-mail-typ", "e-mail: angezeigter name"),
    ("adresse de messagerie", "prénom", "nom", "catégories", "langue", "type de messagerie",
     "nom complet de l'adresse de messagerie"),
)  # fmt: skip
TARGETS = (
    ("address", ""), ("field:FNAME", ""), ("field:LNAME", ""), ("tags", ""), ("language", ""), ("out", "provider"),
    ("out", "provider"),
)  # fmt: skip
# A second address, or what stands beside the first, tells an address book from a list with an address and a name.
OWN = frozenset({
    "email2address", "emailtype", "emaildisplayname", "businessphone", "homephone",
    "адрес2элпочты", "типэлпочты", "рабочийтелефон", "email2adresse", "emailtyp", "telefongeschaftlich",
    "typedemessagerie", "adressedemessagerie2", "telephonebureau",
})  # fmt: skip
ADDRESSES = frozenset({"emailaddress", "адресэлпочты", "emailadresse", "adressedemessagerie"})


class OutlookImporter(AddressBookService):
    """Outlook's contacts."""

    name = "outlook"
    title = "Outlook"
    where = "File → Open & export → Import/export → Export to a file → CSV"
    columns = {label: target for labels in LANGUAGES for label, target in zip(labels, TARGETS, strict=True)}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return bool(labels & ADDRESSES) and len(labels & OWN) > 1
