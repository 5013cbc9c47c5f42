"""Why a row was not taken, in words. The stored reject holds the code and numbers alone."""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.core import imports
from samizdat.core.mail import address
from samizdat.formatting import regrouped


def sentence_of(code: str, values: dict[str, Any]) -> str:
    """What happened and what to do, in the reader's language."""
    own = _own()
    if code in own:
        return own[code]
    if code in address.CODES:
        return _(str(address.BadAddress(code)))
    sentence = _(imports.SENTENCES[code])
    return sentence.format(**regrouped(values))


def _own() -> dict[str, str]:
    return {
        "erased": _("This person had her data erased, so a file cannot bring her back. She can sign up again herself."),
        "not_sealable": _("The line holds half a character. Save the file as UTF-8 and import again."),
        # The importers' own sentence quotes the word, which may be anything when the column was taken wrongly.
        "unknown_status": _("The word in the status column is none we know. Say under Columns what it means."),
    }
