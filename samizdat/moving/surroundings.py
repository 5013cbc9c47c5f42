"""What other people's servers say of a move: whether the new address answers with our pages, what becomes of the old
one, and which DNS records the new domain lacks. Takes seconds: for the worker and for commands."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.campaigns.checks import fetch
from samizdat.campaigns.sender_domain_check import asker
from samizdat.core.private_networks import Address, is_public
from samizdat.delivery import dkim_keys, moves, sending_gate
from samizdat.delivery.actions.remote_checks import Answering
from samizdat.delivery.models import RemoteCheck
from samizdat.delivery.moves import MoveRecord, Publish

# Of every public host of ours: what a robot is told, and what stands in it.
_PAGE, _OURS = "/robots.txt", b"Disallow: /u/"


def anywhere(_address: Address) -> bool:
    """For whoever runs the server."""
    return True


def look(
    organization: Organization, now: datetime, resolve: fetch.Resolve = fetch.resolve, permit: fetch.Permit = is_public
) -> MoveRecord | None:
    """Asks, and keeps the answers. None where no move is under way."""
    move = moves.under_way(organization)
    if move is None:
        return None
    seen = {"address": reach(move.new_url, "", resolve, permit)}
    if move.old_url and move.old_url != move.new_url:
        seen["old_links"] = reach(move.old_url, move.new_url, resolve, permit)
    publish: list[Publish] = []
    if move.new_domain:
        seen["records"], publish = _records(organization, move.new_domain)
    return moves.change(organization, lambda kept: structs.replace(kept, seen=seen, looked=now, publish=tuple(publish)))


def reach(url: str, leads_to: str, resolve: fetch.Resolve, permit: fetch.Permit) -> str:
    """What is at an address: "pages" of ours, a "redirect" to where it may lead to, pages of somebody "other", none
    ("nothing"), a "certificate" that is not valid, a name that DNS doesn't know any more ("gone"), or an address
    "inside" the server's own network, which nobody asks."""
    if _OURS in (fetch.body_of(url + _PAGE, resolve=resolve, permit=permit) or b""):
        return "pages"
    page = fetch.ask(url + _PAGE, resolve=resolve, permit=permit)
    if page.verdict == "moved":
        is_ours = leads_to and urlsplit(page.detail).hostname == urlsplit(leads_to).hostname
        return "redirect" if is_ours else "other"
    if page.verdict == "inside":
        return "inside"
    if page.verdict == "dead":
        if page.detail == "no_host" and _is_gone(urlsplit(url).hostname or ""):
            return "gone"
        return {"no_certificate": "certificate", "404": "other", "410": "other"}.get(page.detail, "nothing")
    return "other"


def _is_gone(host: str) -> bool:
    """Whether name servers say so: where none answers, as without a network, nobody knows."""
    ask = asker()
    return all(ask(host, kind) == [] for kind in ("A", "AAAA"))


def _records(organization: Organization, name: str) -> tuple[str, list[Publish]]:
    """Whether a campaign from this domain may be sent as DNS stands, and what to publish: "there", "missing",
    "allowed" by an admin, or "none" where DNS has no say."""
    if not dkim_keys.domain_named(organization, name):
        return "", []
    if not sending_gate.applies(organization, name):
        return "none", []
    records = sending_gate.look(organization, sending_gate.settings_for(organization, name), f"postmaster@{name}")
    publish = [
        (record.publish.type, record.publish.name, record.publish.value)
        for record in records
        if record.publish and record.state != "good"
    ]
    if sending_gate.allowed_reason(organization, name):
        return "allowed", publish
    return ("missing" if any(record.state == "stop" for record in records) else "there"), publish


def _answer(question: RemoteCheck, _words: Mapping[str, object], now: datetime) -> dict[str, object]:
    """For the page, which shows what is kept."""
    look(question.organization, now)
    return {}


# Of delivery.actions.remote_checks.
KINDS: dict[str, Answering] = {"move": _answer}
