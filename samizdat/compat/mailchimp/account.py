"""The account, and the one list that the key is bound to."""

from typing import Any

from samizdat.accounts import api_keys, sealed_settings
from samizdat.audience import queries
from samizdat.audience.queries import ListView
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.problems import not_there

PONG = {"health_status": "Everything's Chimpy!"}
NO_ADDRESS = {
    "company": "",
    "address1": "",
    "address2": "",
    "city": "",
    "state": "",
    "zip": "",
    "country": "",
    "phone": "",
}


def ping(_call: MailchimpCall) -> dict[str, Any]:
    return PONG


def show_account(call: MailchimpCall) -> dict[str, Any]:
    """Of persons it says nothing."""
    name = sealed_settings.leading(call.organization).name
    return {
        "account_id": _account_id(call),
        "login_id": f"{call.key.pk:x}",
        "account_name": name,
        "email": "",
        "first_name": "",
        "last_name": "",
        "username": "",
        "avatar_url": "",
        "role": "manager",
        "member_since": f"{call.list_.created}T00:00:00+00:00",
        "pricing_plan_type": "monthly",
        "first_payment": "",
        "account_timezone": call.organization.timezone,
        "account_industry": "",
        "contact": NO_ADDRESS | {"company": name},
        "pro_enabled": False,
        "last_login": "",
        "total_subscribers": _view(call).totals["subscribed"] if call.reads else 0,
        "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        "_links": [],
    }


def _account_id(call: MailchimpCall) -> str:
    """25 hex digits, like Mailchimp's."""
    return bytes(call.organization.uid).hex()[:25]


def show_lists(call: MailchimpCall) -> dict[str, Any]:
    offset, count = call.page
    lists = [list_document(call)][offset : offset + count]
    constraints = {"may_create": False, "max_instances": 1, "current_total_instances": 1}
    return {"lists": lists, "total_items": 1, "constraints": constraints, "_links": []}


def show_list(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return list_document(call)


def _view(call: MailchimpCall) -> ListView:
    """Errors: MailchimpProblem 404 where the list was deleted."""
    for view in queries.lists(call.organization, archived=True):
        if view.id == call.list_.pk:
            return view
    raise not_there()


def list_document(call: MailchimpCall) -> dict[str, Any]:
    view, leading = _view(call), sealed_settings.leading(call.organization)
    details = queries.details_of(call.list_)
    form = f"{leading.public_url}/f/{details.page_slug}" if leading.public_url and details.page_slug else ""
    # Embedded forms are sent to the same address with /post behind its path (public/embedded_forms.py).
    embedded = f"{leading.public_url}/subscribe?u={_account_id(call)}&id={list_hex(view.id)}" if form else ""
    sender = details.default_sender
    return {
        "id": list_hex(view.id),
        "web_id": view.id,
        "name": view.name,
        "contact": NO_ADDRESS | {"company": leading.name},
        "permission_reminder": details.reminder,
        "use_archive_bar": False,
        "campaign_defaults": {
            "from_name": details.from_name or sender.name,
            "from_email": details.from_email or sender.email,
            "subject": "",
            "language": leading.language,
        },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": f"{view.created}T00:00:00+00:00",
        "list_rating": 0,
        "email_type_option": False,
        "subscribe_url_short": form,
        "subscribe_url_long": embedded,
        "beamer_address": "",
        "visibility": "prv",
        "double_optin": not api_keys.consent_words(call.key),
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": _stats(call, view),
        "_links": [],
    }


def _stats(call: MailchimpCall, view: ListView) -> dict[str, Any]:
    """Nobody is watched, so what opens and clicks would tell is nought. A key that may only write gets no totals: by
    one more or none it would learn whether an address was here."""
    totals = view.totals if call.reads else dict.fromkeys(view.totals, 0)
    return {
        "member_count": totals["subscribed"],
        "total_contacts": sum(totals[status] for status in totals if status != "pending"),
        "unsubscribe_count": totals["unsubscribed"],
        "cleaned_count": totals["cleaned"],
        "member_count_since_send": 0,
        "unsubscribe_count_since_send": 0,
        "cleaned_count_since_send": 0,
        "campaign_count": 0,
        "campaign_last_sent": "",
        "merge_field_count": len(queries.fields(call.organization)),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": "",
        "last_unsub_date": "",
    }
