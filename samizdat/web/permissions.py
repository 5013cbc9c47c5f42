"""Who may come in by which page, said beside the page itself.

    @door(see=EVERYONE, do=WRITERS)
    def campaigns(request): ...

`see` are the roles that a GET answers, `do` those that a POST answers. DeskMiddleware reads it; a view without
`door` does not answer anybody, and a test looks that every address has one.
"""

from collections.abc import Callable
from typing import TypedDict

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from samizdat.accounts.models import Organization
from samizdat.web.request import DeskRequest

EVERYONE = ("admin", "editor", "viewer")
WRITERS = ("admin", "editor")
ADMINS = ("admin",)
# The pages that keep things alive: an admin's, and a viewer may look (shared interface, section 5).
KEEPERS = ("admin", "viewer")
NOBODY: tuple[str, ...] = ()

View = Callable[..., HttpResponseBase]


class Door(TypedDict):
    """open: also for people who have not signed in. in_lock: also while the organization is locked."""

    see: tuple[str, ...]
    do: tuple[str, ...]
    open: bool
    in_lock: bool


def door_of(view: object) -> Door | None:
    """What a view declares; None: it is no page of the desk."""
    declared: Door | None = getattr(view, "door", None)
    return declared


def has_page(request: HttpRequest) -> bool:
    """Whether the address of a request also answers a GET."""
    declared = door_of(request.resolver_match.func) if request.resolver_match else None
    return bool(declared and declared["see"])


def door(see: tuple[str, ...], do: tuple[str, ...] = NOBODY) -> Callable[[View], View]:
    """A page of an organization: needs a sign-in and one of these roles. Without `do` it takes no POST at all."""

    def mark(view: View) -> View:
        guarded = require_http_methods(["GET", "HEAD", "POST"] if do else ["GET", "HEAD"])(view)
        guarded.door = {"see": see, "do": do, "open": False, "in_lock": False}  # type: ignore[attr-defined]
        return guarded

    return mark


def deed(do: tuple[str, ...] = WRITERS, *, in_lock: bool = False) -> Callable[[View], View]:
    """A button: POST only, answers with a redirect."""

    def mark(view: View) -> View:
        guarded = require_http_methods(["POST"])(view)
        guarded.door = {"see": NOBODY, "do": do, "open": False, "in_lock": in_lock}  # type: ignore[attr-defined]
        return guarded

    return mark


def open_door(view: View) -> View:
    """A page for people who have not signed in."""
    guarded = require_http_methods(["GET", "HEAD", "POST"])(view)
    guarded.door = {"see": EVERYONE, "do": EVERYONE, "open": True, "in_lock": True}  # type: ignore[attr-defined]
    return guarded


def for_programs(view: View) -> View:
    """What programs call by a key, with any method: the view itself asks for the key, and no cookie opens it."""
    view.door = {"see": EVERYONE, "do": EVERYONE, "open": True, "in_lock": True}  # type: ignore[attr-defined]
    return view


def personal(view: View) -> View:
    """A page of the person themselves, with no organization in its address."""
    guarded = require_http_methods(["GET", "HEAD", "POST"])(view)
    guarded.door = {"see": EVERYONE, "do": EVERYONE, "open": False, "in_lock": True}  # type: ignore[attr-defined]
    return guarded


def address(organization: Organization, name: str, *args: object) -> str:
    """Where a page of an organization is."""
    return reverse(name, args=[organization.slug, *args])


def go(request: DeskRequest, name: str, *args: object, anchor: str = "", query: str = "") -> HttpResponse:
    """On to another page of the same organization."""
    there = address(request.organization, name, *args)
    return redirect(there + (f"?{query}" if query else "") + (f"#{anchor}" if anchor else ""))
