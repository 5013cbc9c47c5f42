"""An organisation as the public pages know it: carried to the gate when it is founded, changed or missing there."""

from urllib.parse import urlsplit

from samizdat.accounts.grants import leading
from samizdat.accounts.models import Organisation
from samizdat.gate.actions import publish_place


def publish(organisation: Organisation) -> None:
    """May be repeated at any time. Call it after the commit: the gate is a database of its own."""
    kept = leading(organisation)
    # Where the copy is gone its pages stay where the row says, or nobody could leave: they are the same under any host.
    public_url = kept.public_url if kept.known else organisation.public_url
    publish_place(
        bytes(organisation.uid),
        host=urlsplit(public_url).hostname or "",
        name=organisation.name,
        language=organisation.language,
        accent=organisation.accent,
        leave_mailbox=kept.leave_mailbox,
        feared=organisation.feared,
        zone=organisation.timezone,
    )
