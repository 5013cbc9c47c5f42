"""A letter for somebody without an account, by a link. No cookie, no referrer, nothing to index, nothing noted of them.

The link is all that lets them in, so a form of another site cannot answer in their place: it would have to know the
link. That is why these pages do without the check against forgery, which needs a cookie.
"""

from collections.abc import Callable
from functools import wraps
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from samizdat import formatting
from samizdat.campaigns import translations
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, ShareLink
from samizdat.core.content.render import fill
from samizdat.web.asgi import LETTER
from samizdat.web.campaigns import preview_modes, previews
from samizdat.web.permissions import View, open_door
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.auth import says

STATUS = {"too_many": 429, "changed": 409}


def _by_link(view: Callable[..., HttpResponseBase]) -> View:
    @wraps(view)
    def guarded(request: DeskRequest, token: str, **more: object) -> HttpResponseBase:
        try:
            link = share_links.opened(token, timezone.now())
            request.environ[LETTER] = link.campaign.organization_id
            timezone.activate(ZoneInfo(link.campaign.organization.timezone))  # DeskMiddleware takes it back.
            response = view(request, link, token, **more)
        except share_links.LinkGone as gone:
            response = says(request, _("This link has expired"), str(gone), 404)
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return response

    return csrf_exempt(open_door(guarded))


@_by_link
def shared_campaign(request: DeskRequest, link: ShareLink, token: str) -> HttpResponse:
    problem = status = None
    if request.method == "POST":
        try:
            _answer(request, link)
        except CampaignError as refused:
            problem, status = str(refused), STATUS.get(refused.code, 422)
        else:
            return redirect(f"{request.path}?said=1")
    campaign, code = _in_language(request, link)
    view = request.GET.get("view", "")
    view = view if view in preview_modes.OUTSIDE else "phone"
    proof = proof_of(campaign, timezone.now())
    facts = {
        "campaign": campaign,
        "token": token,
        "code": code,
        "languages": _languages(link.campaign),
        "draft": draft_of(campaign),
        "subject": fill(proof.letter.subject, previews.sample()),
        "mark": share_links.mark_of(link),
        "view": view,
        "look": preview_modes.LOOKS[view],
        "looks": [(name, preview_modes.LOOKS[name]) for name in preview_modes.OUTSIDE],
        "text": previews.text(proof, previews.sample()) if view == "text" else "",
        "until": link.until,
        "said": request.GET.get("said") == "1",
        "problem": problem,
        "typed": request.POST if problem else {},
        "longest": share_links.LONGEST_TEXT,
    }
    return render(request, "web/shared.html", facts, status=status or 200)


def _in_language(request: DeskRequest, link: ShareLink) -> tuple[Campaign, str]:
    """The version that was asked for, and its code; the letter and "" otherwise."""
    asked = request.GET.get("in", "")
    version = next(
        (candidate for candidate in translations.versions(link.campaign) if candidate.language == asked), None
    )
    return (version, asked) if version else (link.campaign, "")


def _languages(campaign: Campaign) -> list[tuple[str, str]]:
    """(code, name) of the letter and its other languages; [] where it has one."""
    others = translations.in_order(translations.versions(campaign))
    return (
        [(version.language, formatting.language(version.language)) for version in [campaign, *others]] if others else []
    )


def _answer(request: DeskRequest, link: ShareLink) -> None:
    share_links.answer(
        link,
        name=request.POST.get("name", ""),
        text=request.POST.get("text", ""),
        yes=request.POST.get("answer") == "yes",
        mark=request.POST.get("mark", ""),
        now=timezone.now(),
    )


@_by_link
def shared_frame(request: DeskRequest, link: ShareLink, token: str, kind: str) -> HttpResponse:
    return previews.framed(preview_modes.frame(_in_language(request, link)[0], timezone.now(), kind, previews.sample()))
