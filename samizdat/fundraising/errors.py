"""What can be refused here. `code` is for the API, str() is one sentence that says what to do."""


class FundraisingError(ValueError):
    code = "refused"

    def __init__(self, sentence: str, code: str = "refused") -> None:
        self.code = code
        super().__init__(sentence)
