"""Notices of services to whoever owns a list: somebody subscribed, somebody left. A file for each service."""

from samizdat.core.evidence.notices import mailchimp, mailman, mailpoet

SERVICES = (mailchimp.SERVICE, mailpoet.SERVICE, mailman.SERVICE)
SERVICE_DOMAINS: frozenset[str] = frozenset().union(*(service.domains for service in SERVICES))
