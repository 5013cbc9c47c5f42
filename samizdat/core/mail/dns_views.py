"""Whether everybody sees the records of a domain that its own name servers have.

A record that was just published stands at the zone's servers at once and elsewhere when what they keep has expired; a
secondary server may lag, and one that no longer has the zone (a lame delegation) makes every other answer a matter of
luck.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from samizdat.core.mail.sender_check import SenderFinding
from samizdat.core.mail.spf import Ask

Answers = Mapping[str, Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class DnsView:
    """TXT values of a name by who answers: servers of its zone, and resolvers. None: no answer."""

    name: str
    zone: Answers
    resolvers: Answers


def judge(domain: str, views: Iterable[DnsView], ours: Ask | None = None) -> list[SenderFinding]:
    """What differs. Nothing where no server of the zone can be asked, as behind a closed firewall. ours: what the
    resolver says by which the domain is judged; it may keep what is old, or be one that changes answers."""
    heard = [view for view in views if any(values is not None for values in view.zone.values())]
    if not heard:
        return []
    findings = [*_lame(domain, heard)]
    for view in heard:
        findings += [*_split(domain, view)] or [*_not_yet(domain, view), *_unlike_ours(domain, view, ours)]
    asked = sorted({name for view in heard for name, values in view.resolvers.items() if values is not None})
    if not findings and asked:
        findings = [SenderFinding("visible_good", "good", {"domain": domain, "views": ", ".join(asked)})]
    return findings


def _lame(domain: str, views: Sequence[DnsView]) -> list[SenderFinding]:
    servers = {name for view in views for name in view.zone}
    silent = sorted(name for name in servers if all(view.zone.get(name) is None for view in views))
    if not silent:
        return []
    return [SenderFinding("visible_lame", "care", {"domain": domain, "servers": ", ".join(silent)})]


def _split(domain: str, view: DnsView) -> list[SenderFinding]:
    """Where the zone's servers disagree, nobody knows yet which value will stay."""
    values = {name: sorted(texts) for name, texts in view.zone.items() if texts is not None}
    first = next(iter(values.values()))
    others = sorted(name for name, texts in values.items() if texts != first)
    if not others:
        return []
    facts = {"domain": domain, "name": view.name, "servers": ", ".join(others)}
    return [SenderFinding("visible_split", "care", facts)]


def _published(view: DnsView) -> list[str]:
    """By the first server of the zone that answers."""
    return next(sorted(texts) for texts in view.zone.values() if texts is not None)


def _unlike_ours(domain: str, view: DnsView, ours: Ask | None) -> list[SenderFinding]:
    texts = ours(view.name, "TXT") if ours else None
    if texts is None or sorted(texts) == _published(view):
        return []
    return [SenderFinding("visible_ours", "care", {"domain": domain, "name": view.name})]


def _not_yet(domain: str, view: DnsView) -> list[SenderFinding]:
    published = _published(view)
    behind = sorted(name for name, texts in view.resolvers.items() if texts is not None and sorted(texts) != published)
    if not published or not behind:
        return []
    facts = {"domain": domain, "name": view.name, "views": ", ".join(behind)}
    return [SenderFinding("visible_not_yet", "care", facts)]
