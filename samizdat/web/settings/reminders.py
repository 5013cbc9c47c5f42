"""What the law or a deadline asks of somebody, for the first page: breaches that run out, renewals that wait."""

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from samizdat.accounts.models import Organization
from samizdat.accounts.queries import name_in
from samizdat.audience import queries
from samizdat.campaigns import approval
from samizdat.campaigns.models import large
from samizdat.delivery import service_senders
from samizdat.privacy import breach_register, rescue_cases
from samizdat.privacy.actions import silent, why_not_yet
from samizdat.privacy.models import Breach, Renewal
from samizdat.web.permissions import WRITERS, address
from samizdat.web.request import DeskRequest
from samizdat.web.settings import key_standing
from samizdat.web.templatetags.desk import count, day, moment


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """In the shape of home's own: kind, title, text, href, link."""
    items = []
    if request.role == "admin":
        items += _of_destruction(request)
        items += [_of_breach(request, row) for row in _untold(request.organization)]
        items += _of_rescue_cases(request)
    if request.role in WRITERS:
        items += of_forms(request)
        items += _of_renewals(request)
        items += _of_approvals(request)
    return items


def _of_destruction(request: DeskRequest) -> list[dict[str, str]]:
    """That two admins are about to destroy the keys, for each admin may cancel it, and an email may be overlooked."""
    organization = request.organization
    row, due = key_standing.destruction(organization)
    if row is None:
        return []
    facts = {"name": name_in(organization, row.by)}
    if due:
        title = _("The keys are destroyed on %(at)s") % {"at": moment(due)}
        text = _("%(name)s requested it. Then nobody can read this organization’s data again. Any admin can cancel it.")
    else:
        title = _("%(name)s requested that the keys be destroyed") % facts
        text = _("Another admin has to confirm it. Any admin can cancel it.")
    return [_need("stop", title, text % facts, address(organization, "destroy-keys"))]


# A sign-up that could not be mailed for two days is given up (worker/inbox/signups).
NO_SENDER = lazy(
    "Confirmation emails come from your organization’s bounce address or from the sender of your last campaign, "
    "and there is neither yet. Ask an admin to set a bounce address under Settings. Until then, new sign-ups get "
    "no email and expire after two days."
)


NO_ROUTE = lazy(
    "No route can send the confirmation emails. Fix your routes or add one: sign-ups expire after two days."
)


def of_forms(request: DeskRequest) -> list[dict[str, str]]:
    """Sign-ups whose mail cannot leave: with how many there are, where the worker has counted some."""
    organization, items = request.organization, []
    waiting = queries.unmailed(organization)
    if (many := waiting.get("sender", 0)) or service_senders.sign_ups_wait(organization):
        title = ngettext("%(n)s sign-up is waiting for a sender", "%(n)s sign-ups are waiting for a sender", many)
        title = title % {"n": count(many)} if many else _("Sign-ups are waiting for a sender")
        page, link = ("settings", _("Settings")) if request.role == "admin" else ("new-campaign", _("New campaign"))
        items.append(_need("stop", title, str(NO_SENDER), address(organization, page)) | {"link": link})
    if many := waiting.get("route", 0):
        title = ngettext(
            "%(n)s sign-up is waiting for a sending route", "%(n)s sign-ups are waiting for a sending route", many
        )
        href = address(organization, "routes")
        items.append(_need("stop", title % {"n": count(many)}, str(NO_ROUTE), href) | {"link": _("View routes")})
    return items


def _untold(organization: Organization) -> list[Breach]:
    rows = Breach.objects.select_related("organization").filter(organization=organization, told_authority=None)
    return [row for row in rows.order_by("noticed")[:20] if not breach_register.told_of(row).no_risk][:2]


def _of_breach(request: DeskRequest, row: Breach) -> dict[str, str]:
    text = _("%(what)s. Notify the authority by %(until)s, or record why it isn’t needed.")
    values = {"what": breach_register.KINDS[row.kind], "until": moment(breach_register.deadline(row))}
    return _need(
        "stop", _("Data breach: a deadline is running"), text % values, address(request.organization, "breach", row.pk)
    )


def _of_rescue_cases(request: DeskRequest) -> list[dict[str, str]]:
    """Requests to providers that should have been answered."""
    today = timezone.now().date()
    late = [each for each in rescue_cases.open_requests(request.organization, today) if each.days < 0][:2]
    text = _("The deadline was %(day)s. Record the answer, or send the complaint to the authority.")
    title = _("A request about a closed account wasn’t answered")
    return [
        _need(
            "care",
            title,
            text % {"day": day(each.deadline.at)},
            address(request.organization, "rescue-case", each.case.pk),
        )
        for each in late
    ]


def _of_renewals(request: DeskRequest) -> list[dict[str, str]]:
    now, items = timezone.now(), []
    rows = Renewal.objects.select_related("organization", "list", "letter", "tag").filter(state="asking")
    rows = rows.filter(organization=request.organization, deadline__lt=now.date()).defer(*large("letter__"))
    for row in rows:
        if why_not_yet(row, now):
            continue
        values = {"list": queries.name_of(row.list), "n": count(silent(row))}
        text = _("%(n)s didn’t answer. Remove them from the list, or close it.")
        title = _("The time to answer for “%(list)s” has passed")
        items.append(
            _need("care", title % values, text % values, address(request.organization, "reconsent", row.list_id))
        )
    return items


def _of_approvals(request: DeskRequest) -> list[dict[str, str]]:
    """Letters that wait for the yes of a second person, who is anybody but the one who asked."""
    items = []
    for row in approval.waiting_for(request.organization, request.person, timezone.now()):
        title = _("“%(subject)s” is waiting for approval") % {"subject": row.subject[:80]}
        text = _("Read it, check the recipients, and approve, or tell your teammate what’s wrong.")
        href = address(request.organization, "send", row.campaign.pk) + "#second"
        items.append(_need("care", title, text, href))
    return items


def _need(kind: str, title: str, text: str, href: str) -> dict[str, str]:
    return {"kind": kind, "title": title, "text": text, "href": href, "link": _("Review")}
