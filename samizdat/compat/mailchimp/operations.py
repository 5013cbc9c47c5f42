"""Every operation of Mailchimp's API that is answered here, with the access that it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

from samizdat.compat.mailchimp import (
    account,
    ecommerce,
    groups,
    list_batch,
    members,
    merge_fields,
    search,
    segments,
    tags,
)
from samizdat.compat.mailchimp.calls import READ, WRITE

ANY: frozenset[str] = frozenset()
READS, WRITES, EITHER = frozenset({READ}), frozenset({WRITE}), frozenset({READ, WRITE})


class MailchimpOperation(NamedTuple):
    """scopes: any of them is enough; none: any key will do. function: takes the call, and what stands for each name in
    braces. needs_all: that each of the scopes is needed, since what it changes tells of people."""

    method: str
    path: str
    function: Callable[..., Any]
    scopes: frozenset[str]
    needs_all: bool = False

    def lets_in(self, scopes: frozenset[str]) -> bool:
        """Whether a key with these may do it."""
        if self.needs_all:
            return self.scopes <= scopes
        return not self.scopes or bool(self.scopes & scopes)


OPERATIONS = (
    MailchimpOperation("GET", "ping", account.ping, ANY),
    MailchimpOperation("GET", "", account.show_account, ANY),
    MailchimpOperation("GET", "ecommerce/stores", ecommerce.show_stores, ANY),
    MailchimpOperation("GET", "lists", account.show_lists, ANY),
    MailchimpOperation("GET", "lists/{list_id}", account.show_list, ANY),
    MailchimpOperation("POST", "lists/{list_id}", list_batch.put_members, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/merge-fields", merge_fields.show_merge_fields, ANY),
    MailchimpOperation("POST", "lists/{list_id}/merge-fields", merge_fields.create_merge_field, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/merge-fields/{merge_id}", merge_fields.show_merge_field, ANY),
    MailchimpOperation("PATCH", "lists/{list_id}/merge-fields/{merge_id}", merge_fields.change_merge_field, WRITES),
    MailchimpOperation(
        "DELETE", "lists/{list_id}/merge-fields/{merge_id}", merge_fields.delete_merge_field, EITHER, needs_all=True
    ),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories", groups.show_categories, ANY),
    MailchimpOperation("POST", "lists/{list_id}/interest-categories", groups.create_category, WRITES),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories/{category}", groups.show_category, ANY),
    MailchimpOperation(
        "PATCH", "lists/{list_id}/interest-categories/{category}", groups.change_category, EITHER, needs_all=True
    ),
    MailchimpOperation(
        "DELETE", "lists/{list_id}/interest-categories/{category}", groups.delete_category, EITHER, needs_all=True
    ),
    MailchimpOperation("GET", "lists/{list_id}/interest-categories/{category}/interests", groups.show_interests, ANY),
    MailchimpOperation(
        "POST", "lists/{list_id}/interest-categories/{category}/interests", groups.create_interest, WRITES
    ),
    MailchimpOperation(
        "GET", "lists/{list_id}/interest-categories/{category}/interests/{interest}", groups.show_interest, ANY
    ),
    MailchimpOperation(
        "PATCH",
        "lists/{list_id}/interest-categories/{category}/interests/{interest}",
        groups.change_interest,
        EITHER,
        needs_all=True,
    ),
    MailchimpOperation(
        "DELETE",
        "lists/{list_id}/interest-categories/{category}/interests/{interest}",
        groups.delete_interest,
        EITHER,
        needs_all=True,
    ),
    MailchimpOperation("GET", "lists/{list_id}/segments", segments.show_segments, ANY),
    MailchimpOperation("POST", "lists/{list_id}/segments", segments.create_segment, EITHER, needs_all=True),
    MailchimpOperation("GET", "lists/{list_id}/segments/{segment}", segments.show_segment, ANY),
    MailchimpOperation("POST", "lists/{list_id}/segments/{segment}", segments.change_members, EITHER, needs_all=True),
    MailchimpOperation("PATCH", "lists/{list_id}/segments/{segment}", segments.change_segment, EITHER, needs_all=True),
    MailchimpOperation("DELETE", "lists/{list_id}/segments/{segment}", segments.delete_segment, EITHER, needs_all=True),
    MailchimpOperation("GET", "lists/{list_id}/segments/{segment}/members", segments.show_members, READS),
    MailchimpOperation(
        "POST", "lists/{list_id}/segments/{segment}/members", segments.add_member, EITHER, needs_all=True
    ),
    MailchimpOperation(
        "DELETE", "lists/{list_id}/segments/{segment}/members/{member}", segments.remove_member, EITHER, needs_all=True
    ),
    MailchimpOperation("GET", "lists/{list_id}/tag-search", tags.search_tags, ANY),
    MailchimpOperation("GET", "search-members", search.search_members, READS),
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
