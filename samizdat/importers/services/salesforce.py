"""Salesforce with or without the Nonprofit Success Pack: contacts as CSV, by a data export or by a report.

A data export writes the names of its interface (`HasOptedOutOfEmail`, `npsp__Do_Not_Contact__c`), a report the labels.
Who agreed is in neither, so it is asked. What NPSP adds up of gifts and memberships (`npo02__…`, soft credits, who
gives every month) stays out.
"""

from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, any_text, yes_no

LEFT = yes_no("unsubscribed", "")


class SalesforceImporter(Service):
    """Salesforce's contacts."""

    name = "salesforce"
    title = "Salesforce (NPSP)"
    where = "Setup → Data export → Contact"
    columns = {
        "id": ("out", "provider"),
        "contact id": ("out", "provider"),
        "accountid": ("out", "provider"),
        "account id": ("out", "provider"),
        "ownerid": ("out", "provider"),
        "createdbyid": ("out", "provider"),
        "lastmodifiedbyid": ("out", "provider"),
        "masterrecordid": ("out", "provider"),
        "recordtypeid": ("out", "provider"),
        "reportstoid": ("out", "provider"),
        "systemmodstamp": ("out", "provider"),
        "photourl": ("out", "provider"),
        "lastviewed*": ("out", "reading"),
        "lastreferenced*": ("out", "reading"),
        "lastactivitydate": ("out", "reading"),
        "lastcu*": ("out", "provider"),
        "mailinglatitude": ("out", "ip"),
        "mailinglongitude": ("out", "ip"),
        "firstname": ("field:FNAME", ""),
        "first name": ("field:FNAME", ""),
        "lastname": ("field:LNAME", ""),
        "last name": ("field:LNAME", ""),
        "email": ("address", ""),
        "phone": ("field:PHONE", ""),
        "birthdate": ("field:BIRTHDAY", ""),
        "createddate": ("field:CREATED", ""),
        "created date": ("field:CREATED", ""),
        "lastmodifieddate": ("last_changed", ""),
        "emailbounceddate": ("clean_time", ""),
        "donotcall": ("out", "elsewhere"),
        "do not call": ("out", "elsewhere"),
        "hasoptedoutoffax": ("out", "elsewhere"),
        "fax opt out": ("out", "elsewhere"),
        "npo02__membership*": ("out", "members"),
        "npo02__lastmembership*": ("out", "members"),
        "npo02__totalmembership*": ("out", "members"),
        "npo02__numberofmembership*": ("out", "members"),
        "npo02__*": ("out", "donations"),
        "npsp__sustainer*": ("out", "donations"),
        "npsp__first_soft*": ("out", "donations"),
        "npsp__last_soft*": ("out", "donations"),
        "npsp__largest_soft*": ("out", "donations"),
        "npsp__number_of_soft*": ("out", "donations"),
        "npsp__total_soft*": ("out", "donations"),
        "npsp__soft_credit*": ("out", "donations"),
        "npsp__primary_*": ("out", "provider"),
        "npsp__batch*": ("out", "provider"),
    }
    words = {
        "hasoptedoutofemail": LEFT,
        "email opt out": LEFT,
        "npsp__do_not_contact__c": LEFT,
        "do not contact": LEFT,
        "npsp__deceased__c": LEFT,
        "deceased": LEFT,
        "isdeleted": LEFT,
        "emailbouncedreason": any_text("cleaned"),
        "email bounced reason": any_text("cleaned"),
        "isemailbounced": yes_no("cleaned", ""),
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        if "email" not in labels:
            return False
        if {"hasoptedoutofemail", "lastname"} <= labels:
            return True
        return "emailoptout" in labels and bool(labels & {"donotcontact", "accountname", "contactid"})
