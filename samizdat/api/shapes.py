"""What several operations answer with, as the documentation shows it."""

from ninja import Schema


class FlawOut(Schema):
    """in: body, query or path. at: where in it."""

    at: str
    detail: str


class ProblemOut(Schema):
    """RFC 9457. code never changes; detail is a sentence in the language of Accept-Language."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FlawOut] | None = None


# What every operation may answer besides: no JSON, no key, no access, another's or nobody's, refused, keys locked, too
# many requests, too large, keys out of reach.
ERRORS = frozenset({400, 401, 403, 404, 413, 422, 423, 429, 503})
