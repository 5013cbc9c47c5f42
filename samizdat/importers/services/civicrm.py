"""CiviCRM: contacts as CSV, exported with all primary fields or with some of them.

It knows who must not be written to in five ways: do not email, no bulk email, an address on hold (by a bounce or by
opting out), deceased, in the trash. Who agreed is in its groups, so that is asked. Labels of opting out are those of
its own code (CRM_Core_SelectValues), the words for a hold those of a sample in its shape. A site in another language
writes them in its own, and is asked about them.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning, yes_no

LEFT = yes_no("unsubscribed", "")


class CiviCrmImporter(Service):
    """CiviCRM's contacts."""

    name = "civicrm"
    title = "CiviCRM"
    where = "Find contacts → select all → Export contacts → Primary fields"
    columns = {
        "contact id": ("out", "provider"),
        "external identifier": ("out", "provider"),
        "contact type": ("out", "provider"),
        "contact subtype": ("out", "provider"),
        "sort name": ("out", "provider"),
        "image url": ("out", "provider"),
        "location type": ("out", "provider"),
        "email": ("address", ""),
        "first name": ("field:FNAME", ""),
        "last name": ("field:LNAME", ""),
        "phone": ("field:PHONE", ""),
        "birth date": ("field:BIRTHDAY", ""),
        "preferred language": ("language", ""),
        "created date": ("field:CREATED", ""),
        "modified date": ("last_changed", ""),
        "group(s)": ("tags", ""),
        "tag(s)": ("tags", ""),
        "note(s)": ("notes", ""),
        "do not phone": ("out", "elsewhere"),
        "do not mail": ("out", "elsewhere"),
        "do not sms": ("out", "elsewhere"),
        "do not trade": ("out", "elsewhere"),
        "use for bulk mail": ("out", "provider"),
        "hold date": ("clean_time", ""),
    }
    words = {
        "do not email": LEFT,
        "no bulk emails (user opt out)": LEFT,
        "is opt out": LEFT,
        # 0, 1 and 2 in exports of older versions.
        "on hold": yes_no("cleaned", "")
        | meaning(cleaned="on hold bounce,hold bounce,on hold", unsubscribed="on hold opt out,hold opt out,2"),
        "deceased": LEFT,
        "is deceased": LEFT,
        "contact is in trash": LEFT,
        "is deleted": LEFT,
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return "donotemail" in labels and bool(labels & {"nobulkemailsuseroptout", "onhold", "contactid"})
