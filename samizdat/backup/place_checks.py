"""A backup place that somebody adds on a page: the worker tries it, and keeps it only if it works."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import plugins
from samizdat.accounts import memberships
from samizdat.backup import kept_places
from samizdat.backup.errors import BackupRefused
from samizdat.delivery.actions.remote_checks import Answering
from samizdat.delivery.backup_places import PlaceDetails
from samizdat.delivery.models import RemoteCheck


def _add(question: RemoteCheck, words: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """words: `details` of the place. The answer: `place`, its number, or `problem` with its `code` and `values`."""
    if not memberships.administers_all(question.by):
        return {"problem": _("You don’t have access. Ask an admin."), "code": "no_access"}
    details = structs.replace(msgspec.convert(words["details"], PlaceDetails), added=now, public_only=True)
    try:
        plugins.refuse_on_server(details.url)
        kept = kept_places.add(details, by=question.by)
    except plugins.PlaceError as error:
        return {"problem": sentence(error), "code": error.code, "values": error.values}
    except BackupRefused as refused:
        return {"problem": _(str(refused)), "code": refused.code}
    return {"place": kept.number, "append_only": kept.details.append_only}


def sentence(error: plugins.PlaceError) -> str:
    """In the language of whoever reads it."""
    return _(error.sentence).format(**error.values) if error.values else _(error.sentence)


KINDS: dict[str, Answering] = {"place": _add}
