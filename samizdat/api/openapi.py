"""The document that describes the API (OpenAPI 3.1), from the operations themselves; docs/openapi.json is printed from
it, and tests hold the answers against it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from samizdat.api.application import PREFIX, api
from samizdat.api.idempotency import HEADER, LONGEST, changes
from samizdat.api.keys import KeyAuth
from samizdat.api.problems import MEDIA_TYPE


class Operation(NamedTuple):
    """scopes: any of them is enough."""

    method: str
    path: str
    scopes: tuple[str, ...]
    summary: str


def operations() -> Iterator[Operation]:
    """In the order of the documentation."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                auth = next(each for each in operation.auth_callbacks if isinstance(each, KeyAuth))
                whole = PREFIX + f"{prefix}{path}".replace("{int:", "{").lstrip("/")
                for method in operation.methods:
                    yield Operation(method, whole, auth.scopes, operation.summary or "")


def document() -> dict[str, Any]:
    """As JSON has it. Errors have their own media type, and each operation says which access it takes."""
    schema: dict[str, Any] = dict(api.get_openapi_schema(path_prefix=PREFIX))
    schemes = schema["components"]["securitySchemes"]
    schema["components"]["securitySchemes"] = {"key": next(iter(schemes.values()))}
    for each in operations():
        described = schema["paths"][each.path][each.method.lower()]
        described["security"] = [{"key": []}]
        if changes(each.method, each.path):
            _describe_idempotency(described)
        described["x-scopes"] = [*each.scopes]
        described["responses"] = dict(sorted(described["responses"].items(), key=lambda pair: int(pair[0])))
        for status, answer in described["responses"].items():
            answer["description"] = _DESCRIPTIONS[int(status)]
            if int(status) >= 400:
                answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
    return schema


def _describe_idempotency(described: dict[str, Any]) -> None:
    header = {
        "in": "header",
        "name": HEADER,
        "required": False,
        "description": "A new random text for each request. Sent again with it, the request is done once, and has the "
        "same answer for a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"},
    }
    described["parameters"] = [*described.get("parameters", ()), header]
    described["responses"].setdefault(409, deepcopy(described["responses"][422]))


_DESCRIPTIONS = {
    200: "Done.",
    201: "Created.",
    202: "Accepted: it is done soon.",
    204: "Done; there is nothing to say.",
    400: "The body is not JSON, or Idempotency-Key is not valid.",
    401: "No key, or one that isn’t valid.",
    403: "The key may not do this.",
    404: "There is no such thing, or it is another’s.",
    409: "Something else changed meanwhile, or is being done.",
    413: "The request is too large.",
    422: "Refused; the sentence says why.",
    423: "The keys of the organization are locked.",
    429: "Too many requests. Retry-After says when to go on.",
    503: "Busy, or the keys can’t be reached. Try again.",
}
