"""What is found when an installation is looked at: one thing each, how urgent it is, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import override

from samizdat import formatting
from samizdat.health.words import at_terminal


class Wording(NamedTuple):
    """A finding in the words of the app. Commands in the sentence stand between backticks, and once more by
    themselves."""

    subject: str
    sentence: str
    commands: list[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """code: for scripts and the handbook (docs/health.md), its topic in front. state: good, amber (worth a look) or red
    (mend now). about, says: what it is about; what is so, and the command or the step that mends it. Both may have
    holes for values; a value that can be called is asked in the language of who reads it, and names that begin with
    "command" are commands. Numbers are counts: 1,234. organization: number of the one whose admins alone are told."""

    code: str
    state: str
    about: str | Promise
    says: str | Promise
    values: Mapping[str, object] = field(default_factory=dict)
    organization: int | None = None

    @property
    def topic(self) -> str:
        return self.code.partition(".")[0]

    @property
    def subject(self) -> str:
        with override("en"):
            return self._filled(self.about, self._values())

    @property
    def sentence(self) -> str:
        """For somebody at a terminal, in English."""
        with override("en"):
            values = self._values()
            return at_terminal(self._filled(self.says, values), str(values.get("route", "NAME")))

    def document(self) -> dict[str, object]:
        return {"code": self.code, "state": self.state, "subject": self.subject, "sentence": self.sentence}

    def wording(self) -> Wording:
        """In the language of the moment."""
        values = self._values()
        commands = {name: value for name, value in values.items() if name.startswith("command")}
        marked = values | {name: f"`{value}`" for name, value in commands.items()}
        return Wording(self._filled(self.about, values), self._filled(self.says, marked), [*commands.values()])

    def _values(self) -> dict[str, str]:
        return {name: _shown(value() if callable(value) else value) for name, value in self.values.items()}

    def _filled(self, text: str | Promise, values: Mapping[str, str]) -> str:
        return str(text) % values if self.values and "%(" in str(text) else str(text)


def _shown(value: object) -> str:
    return formatting.grouped(value) if isinstance(value, int) else str(value)
