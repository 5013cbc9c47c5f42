"""Up to 500 members in one request, each as a PUT of its own: one that is refused stops no other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from samizdat.api.keys import spend
from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.compat.mailchimp.member_changes import MemberRules
from samizdat.compat.mailchimp.member_document import MemberWriter
from samizdat.compat.mailchimp.member_lookup import record_at
from samizdat.compat.mailchimp.members import address_in, put
from samizdat.compat.mailchimp.problems import MailchimpProblem, as_problem, invalid

MOST = 500
# So many members count as one request.
A_REQUEST = 20
EXISTS = "ERROR_CONTACT_EXISTS"


def put_members(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """Errors: MailchimpProblem 400, ApiProblem 429."""
    call.insist_on_list(list_id)
    members = call.body.get("members")
    if not isinstance(members, list) or len(members) > MOST:
        raise invalid(_("Send between 1 and 500 members at once."))
    spend(call.key, len(members) / A_REQUEST)
    rules, writer, changes = MemberRules(call), MemberWriter(call), call.body.get("update_existing") is True
    new: list[dict[str, Any]] = []
    updated: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for member in members:
        body: Mapping[str, Any] = member if isinstance(member, dict) else {}
        try:
            document, is_new = _put_member(replace(call, body=body), rules, writer, changes)
            (new if is_new else updated).append(document)
        except Exception as error:
            problem = as_problem(error)
            if problem is None:
                raise
            errors.append(_error(body, problem))
    return {
        "new_members": new,
        "updated_members": updated,
        "errors": errors,
        "total_created": len(new),
        "total_updated": len(updated),
        "error_count": len(errors),
        "_links": [],
    }


def _put_member(
    call: MailchimpCall, rules: MemberRules, writer: MemberWriter, changes: bool
) -> tuple[dict[str, Any], bool]:
    """The member afterwards, and whether they are new; to a key that may only write, each one is."""
    address = address_in(call)
    record = record_at(call, address)
    if record is not None and call.reads and not changes:
        raise MailchimpProblem(400, "Member Exists", f"{address} is already a list member.")
    return put(call, record, rules, writer), record is None or not call.reads


def _error(body: Mapping[str, Any], problem: MailchimpProblem) -> dict[str, Any]:
    address = body.get("email_address")
    flaw = problem.errors[0] if problem.errors else None
    return {
        "email_address": address if isinstance(address, str) else "",
        "error": problem.detail,
        "error_code": EXISTS if problem.title == "Member Exists" else "ERROR_GENERIC",
        "field": flaw.field if flaw else "",
        "field_message": flaw.message if flaw else "",
    }
