"""Errors in the shape of Mailchimp's, by whose title clients tell them apart. What was sent isn't repeated in them, but
for the address in sentences that clients look for."""

import json
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from django.http import HttpResponse

from samizdat.accounts.errors import AccountError
from samizdat.api.problems import ApiProblem
from samizdat.audience.errors import AudienceError
from samizdat.core.mail.address import BadAddress
from samizdat.vault.errors import OrganizationLocked, VaultError

MEDIA_TYPE = "application/problem+json; charset=utf-8"
TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"


class FieldFlaw(NamedTuple):
    """field: where in the body, as a.b."""

    field: str
    message: str


class MailchimpProblem(Exception):
    """Ends a request. wait: seconds after which it may be tried again."""

    def __init__(
        self, status: int, title: str, detail: str, *, errors: Sequence[FieldFlaw] = (), wait: int = 0
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors, self.wait = status, title, detail, errors, wait

    def document(self) -> dict[str, object]:
        facts: dict[str, object] = {
            "type": TYPE,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": str(uuid.uuid4()),
        }
        if self.errors:
            facts["errors"] = [flaw._asdict() for flaw in self.errors]
        return facts

    def response(self) -> HttpResponse:
        text = json.dumps(self.document(), ensure_ascii=False)
        response = HttpResponse(text, status=self.status, content_type=MEDIA_TYPE)
        if self.wait:
            response["Retry-After"] = str(self.wait)
        return response


def not_there() -> MailchimpProblem:
    return MailchimpProblem(404, "Resource Not Found", "The requested resource could not be found.")


def invalid(sentence: str, *flaws: FieldFlaw) -> MailchimpProblem:
    return MailchimpProblem(400, "Invalid Resource", sentence, errors=flaws)


def not_valid(field: str, sentence: str) -> MailchimpProblem:
    """One thing in the body. field: as FieldFlaw."""
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return invalid(detail, FieldFlaw(field, sentence))


def forbidden(sentence: str) -> MailchimpProblem:
    return MailchimpProblem(403, "Forbidden", sentence)


def key_invalid() -> MailchimpProblem:
    sentence = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return MailchimpProblem(401, "API Key Invalid", sentence)


def as_problem(error: Exception) -> MailchimpProblem | None:
    """What the apps below refuse, with their own sentences; None: something broke."""
    match error:
        case MailchimpProblem():
            return error
        case OrganizationLocked():
            return MailchimpProblem(403, "User Disabled", str(error))
        case ApiProblem(status=429):
            return MailchimpProblem(429, "Too Many Requests", error.detail, wait=error.wait)
        case ApiProblem(status=422):
            return invalid(error.detail)
        case ApiProblem():
            return MailchimpProblem(error.status, "Service Unavailable", error.detail, wait=error.wait)
        case BadAddress():
            flaw = FieldFlaw("email_address", "This value should be a valid email.")
            return invalid("Please provide a valid email address.", flaw)
        case AudienceError(code="too_many_removals"):
            return forbidden(str(error))
        case AudienceError() | AccountError():
            return not_there() if error.code.startswith("no_such") else invalid(str(error))
        case VaultError():
            return MailchimpProblem(503, "Service Unavailable", str(error), wait=60)
    return None
