"""Somebody came to a limit of a day: told to admins on their first page. Of tests to other people's addresses
(delivery/actions/outside_tests.py), and of readers taken off lists (audience/removal_limit.py)."""

from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import sealed_people
from samizdat.audience import removal_limit
from samizdat.delivery.actions import outside_tests
from samizdat.events.models import Event
from samizdat.web.permissions import address
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import moment


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """Who it was."""
    if request.role != "admin":
        return []
    organization, now = request.organization, timezone.now()
    tests = _("More tests were asked for outside your team than are sent in a day")
    removals = _("More people were to be taken off lists than your team does in a day by itself")
    return [
        *_told(request, tests, outside_tests.alarms(organization, now)[:2]),
        *_told(request, removals, removal_limit.alarms(organization, now)[:2]),
    ]


def _told(request: DeskRequest, title: str, alarms: Iterable[Event]) -> list[dict[str, str]]:
    text = _("By %(who)s, on %(when)s. Ask them. If it wasn’t them, sign them out everywhere.")
    return [
        {
            "kind": "stop",
            "title": title,
            "text": text % {"who": sealed_people.name_of(event.by) if event.by else "–", "when": moment(event.at)},
            "href": address(request.organization, "people"),
            "link": _("Look"),
        }
        for event in alarms
    ]
