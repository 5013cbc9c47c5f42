"""Tags: the list, and taking one away."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import queries
from samizdat.audience.actions.tags import carriers, remove_tag
from samizdat.audience.errors import AudienceError
from samizdat.audience.segments import lookup
from samizdat.campaigns.audience import drafts_to
from samizdat.core import segment
from samizdat.privacy.actions import insist_unused
from samizdat.privacy.models import Renewal
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest


@door(see=EVERYONE)
def tags(request: DeskRequest) -> HttpResponse:
    return render(request, "web/audience/tags.html", {"tags": queries.tags(request.organization)})


@door(see=WRITERS, do=WRITERS)
def remove(request: DeskRequest, tag_id: int) -> HttpResponse:
    """Asks first, with the number of those who carry it, and what would reach nobody then."""
    row = request.organization.tags.filter(pk=tag_id, removed=False).first()
    if row is None:
        raise Http404
    name = dict(queries.tags(request.organization))[row.pk]
    asking = Renewal.objects.filter(tag=row).exclude(state="closed").exists()
    if request.method == "POST":
        try:
            insist_unused(row)
            remove_tag(row, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
        else:
            sentence = _("Tag “%(name)s” deleted. Subscribers lose it within minutes.")
            messages.success(request, sentence % {"name": name})
        return go(request, "tags")
    facts = {
        "tag": row,
        "name": name,
        "carriers": carriers(row),
        "drafts": drafts_to(tag=row),
        "segments": [
            view for view in lookup.segments(request.organization) if ("tag", row.pk) in segment.references(view.tree)
        ],
        "asking": asking,
    }
    return render(request, "web/audience/tag_remove.html", facts)
