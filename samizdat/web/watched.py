"""Pages that show subscribers' addresses: opened faster than anybody reads, they say no (audience/watching.py)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import people
from samizdat.audience import watching
from samizdat.web.doors import View, address
from samizdat.web.templatetags.desk import moment


def watched(many: int = 1) -> Callable[[View], View]:
    """Of a page with so many addresses; below `door`, which has let them in."""

    def mark(view: View) -> View:
        @wraps(view)
        def counted(request: Any, *args: Any, **named: Any) -> Any:
            seconds = watching.open_some(request.organisation, request.person, many, timezone.now())
            return _no(request, seconds) if seconds else view(request, *args, **named)

        counted.watched = many  # type: ignore[attr-defined]
        return counted

    return mark


def _no(request: Any, seconds: int) -> HttpResponse:
    from samizdat.web.views.entry import says

    sentence = _(
        "You opened more subscribers than anybody reads in that time, and the admins were told. "
        "Wait %(n)s min, then go on."
    )
    title, home = _("Too many subscribers at once"), address(request.organisation, "home")
    return says(request, title, sentence % {"n": -(-seconds // 60)}, 429, home, _("Home"))


def needs(request: Any) -> list[dict[str, str]]:
    """For the first page of admins: who it was."""
    if request.role != "admin":
        return []
    return [
        {
            "kind": "stop",
            "title": _("Subscribers were opened faster than anybody reads"),
            "text": _("By %(who)s, on %(when)s. Ask them. If it was not they, sign them out everywhere.")
            % {"who": people.name_of(event.by) if event.by else _("Somebody"), "when": moment(event.at)},
            "href": address(request.organisation, "colleague", event.by_id)
            if event.by
            else address(request.organisation, "people"),
            "link": _("Look"),
        }
        for event in watching.alarms(request.organisation, timezone.now())[:2]
    ]
