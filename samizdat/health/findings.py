"""What is found when an installation is looked at: one thing each, how urgent it is, and what to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """code: for scripts and the handbook (docs/health.md), its topic in front. state: good, amber (worth a look) or red
    (mend now). sentence: what is so, and the command or the step that mends it."""

    code: str
    state: str
    subject: str
    sentence: str

    @property
    def topic(self) -> str:
        return self.code.partition(".")[0]

    def document(self) -> dict[str, object]:
        return {"code": self.code, "state": self.state, "subject": self.subject, "sentence": self.sentence}
