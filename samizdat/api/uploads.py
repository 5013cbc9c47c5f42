"""Files in a request: base64 in its JSON, so that a request stays one document, with one length and one digest."""

import base64
import binascii
from typing import Annotated

from django.utils.translation import gettext as _
from pydantic import StringConstraints

from samizdat.api.problems import ApiProblem

# Characters of base64: three megabytes, within what a request takes.
LONGEST = 4_000_000

FileText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]


def decoded(text: str, place: str) -> bytes:
    """place: where it stands in the request. Errors: ApiProblem 422."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        sentence = _("This is not `base64`. Encode the bytes of the file, without line breaks.")
        errors = [{"in": "body", "at": place, "detail": sentence}]
        raise ApiProblem(422, "invalid", sentence, errors=errors) from None
