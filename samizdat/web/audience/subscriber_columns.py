"""Which columns of the list of subscribers somebody sees: chosen in its address, and kept in a cookie."""

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy

from samizdat.web.request import DeskRequest

# Those that can be chosen, in their order, and those that are shown to whoever chose nothing.
COLUMNS: dict[str, str | Promise] = {
    "status": lazy("Status"),
    "lists": lazy("Lists"),
    "tags": lazy("Tags"),
    "since": pgettext_lazy("column", "Since"),
    "provider": lazy("Mailbox provider"),
    "language": lazy("Language"),
    "source": lazy("Source"),
}
USUAL = frozenset({"status", "lists", "tags", "since"})
COOKIE, KEPT = "columns", 365 * 24 * 3600


def chosen(request: DeskRequest) -> frozenset[str]:
    """What they asked for just now, or the last time."""
    if "columns" in request.GET:
        return frozenset(COLUMNS.keys() & {*request.GET.getlist("columns")})
    kept = request.COOKIES.get(COOKIE)
    return USUAL if kept is None else frozenset(COLUMNS.keys() & {*kept.split("-")})


def offered(columns: frozenset[str]) -> list[tuple[str, str | Promise, bool]]:
    """(name, heading, is it shown) of each."""
    return [(name, heading, name in columns) for name, heading in COLUMNS.items()]


def keep(request: DeskRequest, answer: HttpResponse) -> None:
    """Names of columns, and nothing of anybody."""
    if "columns" in request.GET:
        names = "-".join(sorted(chosen(request)))
        answer.set_cookie(COOKIE, names, max_age=KEPT, path=request.path, httponly=True, samesite="Lax")
