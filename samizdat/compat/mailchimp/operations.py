"""Every operation of Mailchimp's API that is answered here, with the access that it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

from samizdat.compat.mailchimp import account, members
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
