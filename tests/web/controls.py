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
        self._form: Form | None = None  # around what is read
        self._named: dict[str, Form] = {}  # by the id that a control outside may say
        self._held: Form | None = None  # of the select or text area that is read
        self._select = ""
        self._text: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.links += [told[name] for name in ("href", "src", "hx-get") if told.get(name)]
        if tag == "form":
            self._form = Form(told.get("method", "get"), told.get("action", "").partition("#")[0])
            self.forms.append(self._form)
            self._named[told.get("id", "")] = self._form
        owner = self._held if tag == "option" else self._named.get(told["form"]) if "form" in told else self._form
        if owner is None:
            return
        name = told.get("name", "")
        if tag == "select":
            self._select, self._held = name, owner
        elif tag == "option" and self._select and ("selected" in told or self._select not in owner.sent):
            owner.sent[self._select] = told.get("value", "")
        elif tag == "textarea" and name:
            owner.typed[name] = tag
            owner.sent[name] = ""
            self._text, self._held = name, owner
        elif tag == "input" and name and told.get("type") not in PRESSED:
            _take(owner, name, told)

    def handle_data(self, data: str) -> None:
        if self._text and self._held is not None:
            self._held.sent[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = None


def _take(form: Form, name: str, told: dict[str, str]) -> None:
    kind = told.get("type", "text")
    if kind in ("checkbox", "radio"):
        held = form.sent.setdefault(name, [] if kind == "checkbox" else "")
        if "checked" in told:
            form.sent[name] = [*held, told.get("value", "on")] if kind == "checkbox" else told.get("value")
    else:
        form.sent[name] = told.get("value", "")
        if kind in TYPED:
            form.typed[name] = kind
