"""Adding a standing copy in the app: the worker asks the service, and the page says what it answered."""

from datetime import datetime
from typing import Any

from samizdat.delivery.models import RemoteCheck
from samizdat.plugins import ServiceRefused
from samizdat.portability.account_copies import actions
from samizdat.portability.account_copies.records import CopyProblem, CopyRefused, progress_of, settings_of


def _add(question: RemoteCheck, words: dict[str, Any], now: datetime) -> dict[str, Any]:
    try:
        row = actions.add(question.organization, words["service"], words["key"], now=now, by=question.by)
    except ServiceRefused as refused:
        return {"problem": CopyProblem(refused.code, refused.values).sentence}
    except CopyRefused as refused:
        return {"problem": str(refused)}
    return {"account": settings_of(row).title, "contacts": progress_of(row).totals.contacts}


KINDS = {"account": _add}
