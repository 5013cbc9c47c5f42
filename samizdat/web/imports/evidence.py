"""The evidence for each address of a proposal: what a person looks at, takes out and lowers before they import it."""

from collections import Counter
from datetime import date
from typing import Any, Literal

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience import queries
from samizdat.audience.imports.actions import read_plan
from samizdat.audience.models import Import
from samizdat.core.evidence.fold import FINAL, STATUSES, AddressEvidence, EvidenceEntry
from samizdat.incoming.evidence import proposal
from samizdat.incoming.evidence.proposal import Decision, NoProposal
from samizdat.web import labels, params, read_limits
from samizdat.web.permissions import WRITERS, door, go
from samizdat.web.request import DeskRequest

PAGE = 25
# As tabs, in the order in which a person looks at them.
ORDER = (
    "subscribed", "doubtful", "excluded", "unproven", "listed", "wrote", "cleaned", "unsubscribed", "complained",
)  # fmt: skip
MORE_STATES = {
    "excluded": ("none", lazy("Left out by hand")),
    "doubtful": ("none", lazy("May have left")),
    "unproven": ("none", lazy("Not proven")),
    "listed": ("none", lazy("Only on an old list")),
    "wrote": ("none", lazy("Only wrote to you")),
    "complained": ("stop", lazy("Marked as spam")),
}
SAID = {
    "complained": lazy("marked an email as spam"),
    "unsubscribed": lazy("unsubscribed"),
    "cleaned": lazy("address bounced"),
    "subscribed": lazy("subscribed"),
    "unproven": lazy("subscribed, but nothing proves that the service sent this"),
    "excluded": lazy("left out"),
    "doubtful": lazy("may have left"),
    "listed": lazy("was on the list, which is no consent"),
    "wrote": lazy("wrote to you, which is no consent"),
}
# What tables say in other words than emails do: by origin and status.
TABLE_SAID = {
    ("form", "subscribed"): lazy("signed up by the form"),
    ("form", "wrote"): lazy("filled in the form, which is no consent"),
    ("list", "complained"): lazy("marked as spam"),
    ("list", "doubtful"): lazy("the table says something that isn’t understood"),
    ("missing", "doubtful"): lazy("isn’t in this later table"),
}
CHOICES = (
    ("", lazy("As the evidence says")),
    ("excluded", lazy("Leave out")),
    ("unsubscribed", lazy("Unsubscribed")),
)


@door(see=WRITERS, do=WRITERS)
def show_evidence(request: DeskRequest, import_id: int) -> HttpResponse:
    """A page of addresses. POST looks for addresses, which stand in no URL, or keeps what was decided of the page."""
    row = queries.import_by_id(request.organization, import_id)
    if row is None:
        raise Http404
    if not proposal.is_one(row):
        return go(request, "import", row.pk)
    read_limits.count(request)
    wanted = request.POST.get("q", "").strip()[:200]
    if request.POST.get("then") == "save":
        try:
            proposal.decide(row, _decisions(request))
            messages.success(request, _("Saved. Nobody is imported yet."))
        except NoProposal as refused:
            messages.error(request, str(refused))
            if not proposal.is_one(queries.import_by_id(request.organization, import_id) or row):
                return go(request, "import", row.pk)
        if not wanted:
            return go(request, "import-evidence", row.pk, query=request.GET.urlencode())
    return render(request, "web/imports/evidence.html", _facts(request, row, wanted))


def _facts(request: DeskRequest, row: Import, wanted: str) -> dict[str, object]:
    status = request.GET.get("status", "")
    status = status if status in STATUSES and not wanted else ""
    page = 1 if wanted else max(1, params.number(request.GET.get("page", ""), 9) or 1)
    counts: Counter[str] = Counter()
    matches, shown = 0, list[dict[str, Any]]()
    for address in proposal.evidence_of(row):
        counts[address.status] += 1
        if (status and address.status != status) or wanted.casefold() not in address.address.casefold():
            continue
        if (page - 1) * PAGE <= matches < page * PAGE:
            shown.append(_row(len(shown), address))
        matches += 1
    tabs = [("", _("All"), sum(counts.values()))]
    tabs += [(name, _state(name)[1], counts[name]) for name in ORDER if counts[name]]
    last = -(-matches // PAGE)
    return {
        "row": row,
        "rows": shown,
        "tabs": tabs,
        "status": status,
        "wanted": wanted,
        "choices": CHOICES,
        "matches": matches,
        "first": (page - 1) * PAGE + 1,
        "last": (page - 1) * PAGE + len(shown),
        "page": page,
        "before": page - 1 if 1 < page <= last else None,
        "after": page + 1 if page < last and not wanted else None,
        "is_shown": read_plan(row).is_shown,
    }


def _row(number: int, address: AddressEvidence) -> dict[str, Any]:
    return {
        "number": number,
        "address": address.address,
        "state": _state(address.status),
        "choice": address.choice,
        "is_final": address.status in FINAL and not address.choice,
        "came_back": address.came_back,
        "entries": [_entry(place, entry) for place, entry in enumerate(address.entries)],
    }


def _entry(place: int, entry: EvidenceEntry) -> dict[str, Any]:
    return {
        "place": place,
        "said": TABLE_SAID.get((entry.origin, entry.status), SAID[entry.status]),
        "is_row": bool(entry.origin),
        "source": entry.source,
        "first": _day(entry.first) if entry.first != entry.last else None,
        "last": _day(entry.last),
        "emails": entry.emails,
        "subject": entry.subject,
        "counts": not entry.is_out,
        "is_final": entry.status in FINAL,
    }


def _state(status: str) -> tuple[str, Any]:
    return MORE_STATES[status] if status in MORE_STATES else labels.subscription_state(status)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _decisions(request: DeskRequest) -> dict[str, Decision]:
    """Address -> what the form says. Boxes that are not ticked are not sent; an address's own field always is."""
    decisions: dict[str, Decision] = {}
    for number in range(PAGE):
        address = request.POST.get(f"a-{number}")
        if address is None:
            continue
        out = (place for place in range(proposal.MOST_KEPT) if f"o-{number}-{place}" not in request.POST)
        decisions[address] = Decision(frozenset(out), _choice(request.POST.get(f"s-{number}", "")))
    return decisions


def _choice(text: str) -> Literal["", "unsubscribed", "excluded"]:
    if text == "unsubscribed":
        return "unsubscribed"
    return "excluded" if text == "excluded" else ""
