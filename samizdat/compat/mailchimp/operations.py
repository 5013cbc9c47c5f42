"""Every operation of Mailchimp's API that is answered here, with the access that it takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

from samizdat.compat.mailchimp import account
from samizdat.compat.mailchimp.calls import READ, WRITE

ANY: frozenset[str] = frozenset()
READS, WRITES = frozenset({READ}), frozenset({WRITE})


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
)


def _by_path() -> dict[tuple[str, ...], dict[str, MailchimpOperation]]:
    paths: dict[tuple[str, ...], dict[str, MailchimpOperation]] = {}
    for operation in OPERATIONS:
        parts = tuple(part for part in operation.path.split("/") if part)
        paths.setdefault(parts, {})[operation.method] = operation
    return paths


PATHS = _by_path()
