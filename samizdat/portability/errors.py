"""What cannot leave, or cannot come back in."""

from samizdat.audience.errors import AudienceError


class ExportRefused(AudienceError):
    """`code` is for the API, str() is one sentence that says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class ExportTaken(AudienceError):
    """Another process is at it."""

    code = "export_taken"
