"""Tests to other people's addresses, more than go out in a day: told to admins (delivery/actions/outside_tests.py)."""

from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import sealed_people
from samizdat.delivery.actions import outside_tests
from samizdat.web.permissions import address
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import moment


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """For the first page of admins: who it was."""
    if request.role != "admin":
        return []
    text = _("By %(who)s, on %(when)s. Ask them. If it wasn’t them, sign them out everywhere.")
    return [
        {
            "kind": "stop",
            "title": _("More tests were asked for outside your team than are sent in a day"),
            "text": text % {"who": sealed_people.name_of(event.by) if event.by else "–", "when": moment(event.at)},
            "href": address(request.organization, "people"),
            "link": _("Look"),
        }
        for event in outside_tests.alarms(request.organization, timezone.now())[:2]
    ]
