"""Numbers for Prometheus in its text format, at an address of their own. Off unless SAMIZDAT_METRICS names one."""

import hmac
import ipaddress
import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.db import close_old_connections, connections

from samizdat import dbclock
from samizdat.delivery import monitoring
from samizdat.logs import where_it_broke
from samizdat.options import BadOption, option
from samizdat.publicdb import queries as publicdb

log = logging.getLogger("samizdat.worker")

PREFIX = "samizdat_"
KIND = "text/plain; version=0.0.4; charset=utf-8"

HELP = {
    "messages": "Messages of all campaigns by state.",
    "campaigns": "Campaigns by state.",
    "route_up": "1 where a route takes messages.",
    "route_barred": "1 for each of our sending domains that a route's provider does not accept.",
    "route_messages": "What became of messages by route; deferred counts times.",
    "provider_messages": "Messages by class of mailbox provider and state.",
    "chunks": "Chunks of at most 500 recipients that wait or are at a sender.",
    "retries": "Messages that were put off.",
    "engine_tasks": "Bells in the task engine.",
    "workers": "Processes by role and state.",
    "window_messages": "Messages that a process had on its way which is gone.",
    "journal_bytes": "Journals in this data folder.",
    "clock_difference_seconds": "By how much this machine's clock is ahead of the database's.",
    "step_age_seconds": "Since a step of the clock last went through.",
    "intake_boxes": "What readers sent in and nobody has taken up.",
}


def text() -> str:
    """Everything, in the text exposition format: one HELP and TYPE a name, then its samples."""
    groups: dict[str, list[str]] = {}
    for name, labels, value in [*monitoring.samples(), ("intake_boxes", {}, publicdb.waiting_boxes())]:
        groups.setdefault(name, []).append(f"{PREFIX}{name}{_labels(labels)} {float(value):.15g}")
    lines = []
    for name, samples in groups.items():
        lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge", *samples]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class MetricsPage(BaseHTTPRequestHandler):
    """GET /metrics. With a token, only for whoever sends it."""

    token = ""

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization", "")
        if self.token and not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return self._answer(HTTPStatus.UNAUTHORIZED, "Say the token: Authorization: Bearer ...\n")
        if self.path != "/metrics":
            return self._answer(HTTPStatus.NOT_FOUND, "The numbers are at /metrics\n")
        try:
            close_old_connections()
            dbclock.sync()
            self._answer(HTTPStatus.OK, text())
        except Exception as error:
            log.error("The numbers could not be read: %s", where_it_broke(error))
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer.\n")
        finally:
            connections.close_all()
        return None

    def _answer(self, status: HTTPStatus, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", KIND)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: an address that asks is nobody's business."""


def place() -> tuple[str, int] | None:
    """Where to listen; None when nobody wants numbers. Errors: BadOption."""
    wanted = option("SAMIZDAT_METRICS")
    if not wanted:
        return None
    host, _, port = wanted.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise BadOption("SAMIZDAT_METRICS is not understood. Write a port, or 127.0.0.1:9464.")
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside and not option("SAMIZDAT_METRICS_TOKEN"):
        raise BadOption(f"Others could read the numbers at {host}. Set SAMIZDAT_METRICS_TOKEN, or listen on 127.0.0.1.")
    return host, int(port)


def begin() -> ThreadingHTTPServer | None:
    """Listens in a thread of its own. What is wrong with the address is said in the log, and the work goes on."""
    try:
        where = place()
        if where is None:
            return None
        page = type("Page", (MetricsPage,), {"token": option("SAMIZDAT_METRICS_TOKEN")})
        server = ThreadingHTTPServer(where, page)
    except (BadOption, OSError) as error:
        log.error("No numbers for Prometheus: %s", error)
        return None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
