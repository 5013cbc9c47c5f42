"""What delivery refuses; each sentence says what to do."""


class DeliveryError(Exception):
    """`code` for the API, the text for the person."""

    code = "delivery"


class NotReleasable(DeliveryError):
    code = "not_releasable"


class BeingReleased(DeliveryError):
    code = "being_released"


class NobodyToWrite(DeliveryError):
    code = "nobody_to_write"


class SendingLocked(DeliveryError):
    code = "fenced"


class CopiedFolder(DeliveryError):
    """The data folder of a worker on PostgreSQL is a copy, or was moved: its journals may be another machine's."""

    code = "copied_folder"


class TornCopy(DeliveryError):
    """A database file that was copied while it was written."""

    code = "torn_copy"


class PooledConnection(DeliveryError):
    """A connection pooler gives the same session to several connections, so that a sender's lock locks nobody out."""

    code = "pooled"


class NothingHeld(DeliveryError):
    """No mailbox provider called more mailboxes dead in a campaign than we believe, or that was settled."""

    code = "nothing_held"


class NothingStopped(DeliveryError):
    """No list of which too many emails were reported as spam, or no reason to resume it."""

    code = "nothing_stopped"


class WrongState(DeliveryError):
    code = "wrong_state"


class NoSuchWorker(DeliveryError):
    code = "no_such_worker"


class StillRuns(DeliveryError):
    code = "still_runs"


class RouteRefused(DeliveryError):
    """The route cannot be used as it is written, or its name is taken. `field`: what of it is wrong, for a form."""

    code = "bad_route"

    def __init__(self, sentence: str, field: str = "where") -> None:
        super().__init__(sentence)
        self.field = field


class SenderRefused(DeliveryError):
    """A default sender that cannot be. `field`: name, email or reply_to, for a form."""

    code = "bad_sender"

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.field = field


class WrongPace(DeliveryError):
    """Quiet hours or a first wave that cannot be as they are asked for. `field`: which of them, for a form."""

    code = "bad_pace"

    def __init__(self, sentence: str, field: str = "quiet") -> None:
        super().__init__(sentence)
        self.field = field


class NoRoute(DeliveryError):
    code = "no_route"


class WantsNoMail(DeliveryError):
    code = "wants_no_mail"


class TooManyTests(DeliveryError):
    code = "too_many_tests"


class DomainRefused(DeliveryError):
    """A sending domain or one of its keys cannot be as it is asked for. `field`: what of it is wrong, for a form."""

    code = "bad_domain"

    def __init__(self, sentence: str, field: str = "name", code: str = "") -> None:
        super().__init__(sentence)
        self.field = field
        self.code = code or self.code


class MoveRefused(DeliveryError):
    """A move cannot begin, or go on, as it is asked for. `field`: what of it is wrong, for a form."""

    def __init__(self, sentence: str, field: str | None, code: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.code = code
