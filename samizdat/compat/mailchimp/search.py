"""The search for a person."""

from typing import Any

from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.compat.mailchimp.member_document import MemberWriter
from samizdat.compat.mailchimp.member_lookup import record_at
from samizdat.core.mail.address import BadAddress


def search_members(call: MailchimpCall) -> dict[str, Any]:
    """The member with exactly this address: part of one finds nobody."""
    try:
        record = record_at(call, call.query.get("query", ""))
    except BadAddress:
        record = None
    members = [MemberWriter(call).document(record)] if record is not None else []
    shown = {"members": members, "total_items": len(members)}
    return {"exact_matches": shown, "full_search": {"members": [], "total_items": 0}, "_links": []}
