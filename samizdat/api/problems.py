"""Errors as problem details (RFC 9457): one sentence says what happened and what to do. Nothing of what was sent is
repeated in it."""

import json
from http import HTTPStatus

from django.http import HttpResponse

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:samizdat:problem:"


class ApiProblem(Exception):
    """Ends a request. code: for programs; it never changes. wait: seconds after which it may be tried again."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        wait: int = 0,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.wait, self.errors = status, code, detail, wait, errors

    def response(self) -> HttpResponse:
        facts: dict[str, object] = {
            "type": TYPES + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            facts["errors"] = self.errors
        response = HttpResponse(json.dumps(facts, ensure_ascii=False), status=self.status, content_type=MEDIA_TYPE)
        if self.wait:
            response["Retry-After"] = str(self.wait)
        if self.status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        return response
