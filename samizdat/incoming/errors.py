"""What can be refused here; str() is one sentence that says what to do."""

from django.utils.translation import gettext as _


class IncomingError(ValueError):
    code = "refused"


class IncomingFull(IncomingError):
    """Whoever hands mail over keeps it, and tries again later."""

    code = "incoming_full"

    def __init__(self) -> None:
        super().__init__(_("There’s no room for more incoming email at the moment. samizdat doctor says what to do."))


class ConversationRefused(IncomingError):
    """Something in the inbox that can't be done; the text says why and what to do."""
