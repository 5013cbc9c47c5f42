"""The inbox of the mail catcher, to be read in the browser. On loopback, for the demo alone."""

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from django.utils.html import escape, urlize
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.cli.demo.catcher import Caught, CaughtMail, parts_of
from samizdat.formatting import grouped

_STYLE = Path(__file__).with_name("inbox.css")

# A letter is shown as a mailbox would: its own styles, its pictures, its links in a new tab; nothing else may run.
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"


class Inbox(ThreadingHTTPServer):
    """Serves http://host:port/ until stop()."""

    daemon_threads = True

    def __init__(self, host: str, port: int, caught: Caught, language: str) -> None:
        super().__init__((host, port), _Door)
        self.caught, self.language = caught, language

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Door(BaseHTTPRequestHandler):
    server: Inbox

    def log_message(self, format: str, *arguments: object) -> None:
        """No access log, here as anywhere."""

    def do_GET(self) -> None:
        with override(self.server.language):
            words = [word for word in self.path.split("?")[0].split("/") if word]
            if words == ["inbox.css"]:
                self._send(_STYLE.read_text(), "text/css")
            elif not words:
                self._send(_list_page(self.server), "text/html")
            else:
                self._letter(words)

    def _letter(self, words: list[str]) -> None:
        number = int(words[1]) if len(words) > 1 and words[0] == "letter" and words[1].isdecimal() else 0
        caught = self.server.caught.letter(number)
        if caught is None:
            page = _page(self.server.language, _("No emails"), f'<p><a href="/">{escape(_("Back to inbox"))}</a></p>')
            self._send(page, "text/html", status=HTTPStatus.NOT_FOUND)
        elif words[2:] == ["html"]:
            self._send(_in_new_tab(parts_of(caught.message())["html"]), "text/html", _LETTER_POLICY)
        else:
            self._send(_letter_page(self.server.language, caught), "text/html")

    def _send(self, text: str, kind: str, policy: str = _PAGE_POLICY, status: HTTPStatus = HTTPStatus.OK) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)


def _page(language: str, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/inbox.css"></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _list_page(server: Inbox) -> str:
    letters = server.caught.letters()
    if not letters:
        empty = _("No emails yet. Send a campaign, then reload this page.")
        return _page(server.language, _("Demo inbox"), f"<p>{escape(empty)}</p>")
    lead = _("%(count)s emails were caught since the demo began; the newest 100 are shown. No email left this server.")
    rows = "".join(
        f'<li value="{caught.number}"><a href="/letter/{caught.number}">{escape(str(caught.message()["subject"]))}</a>'
        f"<span>{escape(str(caught.message()['to']))}</span></li>"
        for caught in letters
    )
    intro = escape(lead % {"count": grouped(server.caught.count())})
    return _page(server.language, _("Demo inbox"), f"<p>{intro}</p><ol>{rows}</ol>")


def _letter_page(language: str, caught: CaughtMail) -> str:
    message = caught.message()
    headers = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in message.items()
    )
    subject, parts = str(message["subject"]), parts_of(message)
    plain = f"<pre>{urlize(parts['text'], autoescape=True)}</pre>"
    # A letter of plain text alone (a confirmation, a test of a route) is shown at once, not under an empty frame.
    shown = (
        f'<iframe src="/letter/{caught.number}/html" title="{escape(subject)}" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        f"<details><summary>{escape(_('Plain text'))}</summary>{plain}</details>"
        if parts["html"]
        else plain
    )
    body = (
        f'<p><a href="/">{escape(_("Back to inbox"))}</a></p>{shown}'
        f"<details><summary>{escape(_('Headers'))}</summary><table>{headers}</table></details>"
    )
    return _page(language, subject, body)


def _in_new_tab(html: str) -> str:
    """Links open beside the inbox: inside the frame they would have no way back."""
    return html.replace("<head>", '<head><base target="_blank">', 1)
