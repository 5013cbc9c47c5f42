"""What Home says of complaints: lists that were stopped for them, and those where they come near that."""

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience.queries.lists import ListView
from samizdat.core.mail import complaint_rules
from samizdat.delivery import complaint_stop
from samizdat.events import queries as events
from samizdat.incoming.complaints import ALARM
from samizdat.web.permissions import address


def needs(organization: Organization, lists: Iterable[ListView], now: datetime) -> list[dict[str, str]]:
    stopped, since = complaint_stop.stopped_lists(organization), now - complaint_rules.WINDOW
    last = events.last(organization, ALARM)
    alarmed = last is not None and last.at > since
    items = []
    for view in lists:
        if view.id in stopped:
            items.append(_stopped(organization, view))
        elif alarmed and events.was_said(organization, ALARM, since, about=view.id):
            items.append(_alarm(organization, view))
    return items


def _stopped(organization: Organization, view: ListView) -> dict[str, str]:
    campaign = complaint_stop.report_of(organization, view.id)
    return {
        "kind": "stop",
        "title": _("Sending to “%(list)s” is stopped: too many complaints") % {"list": view.name},
        "text": _(
            "So many subscribers marked its emails as spam that mailbox providers would soon reject all your emails. "
            "An admin can resume it."
        ),
        "href": address(organization, "report", campaign) if campaign else "",
        "link": _("View report"),
    }


def _alarm(organization: Organization, view: ListView) -> dict[str, str]:
    return {
        "kind": "care",
        "title": _("Many complaints about “%(list)s”") % {"list": view.name},
        "text": _(
            "At least 0.1%% of its emails at one mailbox provider were marked as spam in the last 7 days. "
            "At 0.3%%, sending to it stops."
        )
        % {},
        "href": address(organization, "deliverability"),
        "link": _("Show deliverability"),
    }
