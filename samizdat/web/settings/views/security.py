"""Security and keys: where the keys are, who can open them, and what to do before they are needed."""

from django.http import HttpResponse
from django.shortcuts import render

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.web.permissions import ADMINS, door
from samizdat.web.request import DeskRequest
from samizdat.web.settings import key_standing


@door(see=ADMINS)
def show_security(request: DeskRequest) -> HttpResponse:
    organization, now = request.organization, dbclock.asked()
    today = now.date()
    asked, due = key_standing.destruction(organization)
    key = key_standing.instance_key(organization, today)
    facts = {
        "key": key,
        "lock": key_standing.lock(organization),
        "strict": key_standing.strict_keys(organization, request.person, now),
        "data": key_standing.data_key(organization, today, counted="count" in request.GET),
        "commands": _commands(organization) | _of_instance_key(key),
        "asked": asked,
        "due": due,
    }
    return render(request, "web/security.html", facts)


def _commands(organization: Organization) -> dict[str, str]:
    """What is done on the server alone. Of several organizations, the command says which."""
    which = "" if key_standing.is_alone(organization) else f" --organization {organization.slug}"
    return {
        "strict_add": f"samizdat keys strict add EMAIL{which}",
        "strict_on": f"samizdat keys strict on{which}",
        "strict_shares": f"samizdat keys strict shares --threshold 2 --of 3{which}",
        "strict_practice": f"samizdat keys strict practice{which}",
        "rotate_index": f"samizdat keys rotate index{which}",
        "rotate_data": f"samizdat keys rotate data{which}",
        "rotate_links": f"samizdat keys rotate links{which}",
    }


def _of_instance_key(key: key_standing.InstanceKey | None) -> dict[str, str]:
    """Nothing where it isn't this organization's alone, or has to be found first."""
    if key is None or key.source in ("missing", "broken"):
        return {}
    to = "" if key.source in ("file", "passphrase") else " --to FILE"
    return {"rotate_instance": f"samizdat keys rotate instance{to}"}
