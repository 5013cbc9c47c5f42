"""Somebody came to a limit: told to admins on their first page. Of subscribers who are opened
(audience/read_limits.py), of tests to other people's addresses (delivery/actions/outside_tests.py), of readers taken
off lists (audience/removal_limit.py), and of readers' values that were changed (audience/value_limit.py)."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.queries import name_in
from samizdat.audience import read_limits, removal_limit, value_limit
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
    reads = _("Subscribers were opened faster than anyone can read")
    tests = _("Daily limit exceeded: tests to addresses outside your team")
    removals = _("Daily limit exceeded: removals from lists")
    values = _("Many subscribers’ data changed today, and it appears in your emails")
    return [
        *_told(request, reads, read_limits.alarms(organization, now)[:2]),
        *_told(request, tests, outside_tests.alarms(organization, now)[:2]),
        *_told(request, removals, removal_limit.alarms(organization, now)[:2]),
        *_told(request, values, value_limit.alarms(organization, now)[:2]),
    ]


def _told(request: DeskRequest, title: str, alarms: Iterable[Event]) -> list[dict[str, str]]:
    return [{"kind": "stop", "title": title, "link": _("Review"), **_who(request, event)} for event in alarms]


def _who(request: DeskRequest, event: Event) -> dict[str, str]:
    facts = {"who": name_in(request.organization, event.by) or _("Someone"), "when": moment(event.at)}
    if event.by == request.person:
        text = _("It was your account, on %(when)s. If it wasn’t you, change your password and tell the other admins.")
        return {"text": text % facts, "href": reverse("profile")}
    text = _("By %(who)s, on %(when)s. Ask them. If it wasn’t them, sign them out everywhere.")
    page = ("member", event.by_id) if event.by else ("team",)
    return {"text": text % facts, "href": address(request.organization, *page)}
