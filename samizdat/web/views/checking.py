"""What stands beside a letter while it is written: the tags it can say, and what its checks found."""

from typing import Any

from django.http import HttpResponse, JsonResponse

from samizdat.campaigns.offering import offered
from samizdat.web.doors import WRITERS, door
from samizdat.web.views.campaigns import campaign_at


@door(see=WRITERS)
def tags(request: Any, campaign_id: int) -> HttpResponse:
    """All that a letter can say, for the editor's menu."""
    found = campaign_at(request, campaign_id)
    return JsonResponse({"tags": offered(request.organisation, found.language)})
