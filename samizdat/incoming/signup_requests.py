"""Sign-ups that come neither by the public pages nor from there: laid into the intake in the words that forms have, so
that the worker asks the person by email whether it was them, at most as often as for a form."""

from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import List
from samizdat.incoming.intake import box_key
from samizdat.options import confirmations_an_hour
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import intake_boxes
from samizdat.publicdb.models import Site


def lay(
    organization: Organization,
    list_: List,
    details: ListDetails,
    address: str,
    *,
    language: str,
    way: str,
    now: datetime,
) -> bool:
    """As by the form of a list, which needs one. way: form or mail. False: as many as may wait do already."""
    words = {"list": str(list_.pk), "address": address, "wording": details.purpose, "language": language, "way": way}
    payload = {"kind": "signup", "at": now.isoformat(timespec="seconds"), **words}
    box = intake_boxes.sealed(*box_key(organization), bytes(organization.uid), payload)
    return publicdb.drop_into_slot(Site(uid=organization.uid), box, "signup", range(confirmations_an_hour()))
