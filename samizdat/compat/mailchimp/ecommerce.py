"""Stores, orders and customers, as shop plug-ins send them: nothing of it is kept, since what somebody pays can get
them prosecuted."""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.compat.mailchimp.problems import MailchimpProblem, forbidden, not_there

PATH = "ecommerce"


def show_stores(call: MailchimpCall) -> dict[str, Any]:
    """None, so that a plug-in goes on with its list."""
    return {"stores": [], "total_items": 0, "_links": []}


def refused(method: str) -> MailchimpProblem:
    """The answer to everything else below it."""
    if method in ("GET", "HEAD"):
        return not_there()
    return forbidden(
        _("Samizdat keeps no orders, carts or payments: they can get people prosecuted. Only sign-ups work.")
    )
