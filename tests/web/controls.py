"""The forms of a page, as a browser would send them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

TYPED = frozenset({"text", "email", "url", "number", "search", "date", "time", "tel", "password", "datetime-local"})
PRESSED = frozenset({"submit", "button", "image", "reset", "file"})


@dataclass
class Form:
    """`sent`: names and values without a press of a button; `typed`: those in which one types, and their kinds."""

    method: str
    action: str
    sent: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)


class Controls(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._text: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.links += [told[name] for name in ("href", "src", "hx-get") if told.get(name)]
        if tag == "form":
            self._form = Form(told.get("method", "get"), told.get("action", "").partition("#")[0])
            self.forms.append(self._form)
        if self._form is None:
            return
        name = told.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in told or self._select not in self._form.sent):
            self._form.sent[self._select] = told.get("value", "")
        elif tag == "textarea" and name:
            self._form.typed[name] = tag
            self._form.sent[name] = ""
            self._text = name
        elif tag == "input" and name and told.get("type") not in PRESSED:
            self._take(name, told)

    def _take(self, name: str, told: dict[str, str]) -> None:
        assert self._form is not None
        kind = told.get("type", "text")
        if kind in ("checkbox", "radio"):
            held = self._form.sent.setdefault(name, [] if kind == "checkbox" else "")
            if "checked" in told:
                self._form.sent[name] = [*held, told.get("value", "on")] if kind == "checkbox" else told.get("value")
        else:
            self._form.sent[name] = told.get("value", "")
            if kind in TYPED:
                self._form.typed[name] = kind

    def handle_data(self, data: str) -> None:
        if self._text and self._form is not None:
            self._form.sent[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = None
