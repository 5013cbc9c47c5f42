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
        "erased": _("This person’s data was erased, so they can’t be imported. They can sign up again themselves."),
        "not_sealable": _("This line contains a broken character. Save the file as UTF-8 and import it again."),
        "repeated": _("This address is in the file too many times. Keep one row per person."),
        # The importers' own sentence quotes the word, which may be anything when the column was taken wrongly.
        "unknown_status": _("The status column contains a word we don’t know. Say what it means under Match columns."),
    }
