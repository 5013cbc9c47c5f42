"""Every operation of Mailchimp's API that is answered here, with the access that it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

from samizdat.compat.mailchimp import account, fields, list_batch, members
from samizdat.compat.mailchimp.calls import READ, WRITE

ANY: frozenset[str] = frozenset()
READS, WRITES, EITHER = frozenset({READ}), frozenset({WRITE}), frozenset({READ, WRITE})


class MailchimpOperation(NamedTuple):
    """scopes: any of them is enough; none: any key will do. function: takes the call, and what stands for each name in
    braces."""

    method: str
    path: str
    function: Callable[..., Any]
    scopes: frozenset[str]


OPERATIONS = (
    MailchimpOperation("GET", "ping", account.ping, ANY),
    MailchimpOperation("GET", "", account.show_account, ANY),
    MailchimpOperation("GET", "lists", account.show_lists, ANY),
    MailchimpOperation("GET", "lists/{list_id}", account.show_list, ANY),
    MailchimpOperation("POST", "lists/{list_id}", list_batch.put_members, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/merge-fields", fields.show_merge_fields, ANY),
    MailchimpOperation("GET", "lists/{list_id}/merge-fields/{merge_id}", fields.show_merge_field, ANY),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories", fields.show_categories, ANY),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories/{category}", fields.show_category, ANY),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories/{category}/interests", fields.show_interests, ANY),
    MailchimpOperation("GET", "lists/{list_id}/segments", fields.show_segments, ANY),
    MailchimpOperation("GET", "lists/{list_id}/segments/{segment}", fields.show_segment, ANY),
    MailchimpOperation("GET", "lists/{list_id}/tag-search", fields.search_tags, ANY),
    MailchimpOperation("GET", "search-members", fields.search_members, READS),
    MailchimpOperation("GET", "lists/{list_id}/members", members.show_members, READS),
    MailchimpOperation("POST", "lists/{list_id}/members", members.create_member, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/members/{member}", members.show_member, EITHER),
    MailchimpOperation("PUT", "lists/{list_id}/members/{member}", members.put_member, WRITES),
    MailchimpOperation("PATCH", "lists/{list_id}/members/{member}", members.change_member, WRITES),
    MailchimpOperation("DELETE", "lists/{list_id}/members/{member}", members.archive_member, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/members/{member}/tags", members.show_tags, EITHER),
    MailchimpOperation("POST", "lists/{list_id}/members/{member}/tags", members.change_tags, WRITES),
)


def _by_path() -> dict[tuple[str, ...], dict[str, MailchimpOperation]]:
    paths: dict[tuple[str, ...], dict[str, MailchimpOperation]] = {}
    for operation in OPERATIONS:
        parts = tuple(part for part in operation.path.split("/") if part)
        paths.setdefault(parts, {})[operation.method] = operation
    return paths


PATHS = _by_path()
