"""What cannot be backed up, or restored."""


class BackupRefused(Exception):
    """`code` is for scripts, str() is one sentence that says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)
