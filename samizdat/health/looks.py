"""Looks at parts of an installation. One that breaks, for whatever reason, is a finding itself and keeps no other from
being told."""

import logging
from collections.abc import Callable, Iterable, Iterator

from django.utils.translation import gettext_lazy as _

from samizdat.health.findings import Finding
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.health")

type Look = Callable[[], Iterable[Finding]]

FAILED = "look.failed"


def found_by(looks: Iterable[Look]) -> Iterator[Finding]:
    for look in looks:
        try:
            yield from look()
        except Exception as error:
            where = where_it_broke(error)
            log.warning("A part of the installation could not be looked at: %s", where)
            sentence = _(
                "A part of the installation couldn't be checked: %(where)s. Try again; if that doesn't help, report it."
            )
            yield Finding(FAILED, "amber", _("checks"), sentence, {"where": where})
