"""What may be written to a log: our own sentences, with addresses taken out, and never a request."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from samizdat.core.unsafe_text import one_line
from samizdat.options import option

_ADDRESS = re.compile(r"(?<![^\s<>\"'(),;:])[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
_IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b", re.IGNORECASE)
_TOKEN = re.compile(r"\b[a-z2-7]{40,}\b")


def without_people(text: str) -> str:
    """The text with addresses, IP numbers and link tokens replaced: a log must not say who or from where."""
    return _TOKEN.sub("[token]", _IP.sub("[ip]", _ADDRESS.sub("[address]", text)))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, who says it, what, and which process."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        return json.dumps(entry | {"process": record.process}, ensure_ascii=False)


class PeopleFilter(logging.Filter):
    """Takes people out of every record and drops tracebacks' values: only file, line and class of an error stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = one_line(without_people(record.getMessage()))
        record.args = ()
        if record.exc_info and record.exc_info[1] is not None:
            record.msg += f" [{where_it_broke(record.exc_info[1])}]"
        record.exc_info = record.exc_text = None
        return True


def where_it_broke(error: BaseException) -> str:
    """`ValueError in actions.py:41 < permissions.py:9`: enough to find the line, nothing of what it was working on."""
    frames = []
    trace = error.__traceback__
    while trace:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} in " + " < ".join(reversed(frames[-4:]))


def configure(_settings: object = None) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(PeopleFilter())
    lines = option("SAMIZDAT_LOG") == "json"
    handler.setFormatter(JsonLines() if lines else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Django's request log carries paths and uvicorn's access log carries IPs: both are never wanted. Without a handler
    # of their own Python would print them to standard error by itself, values and all.
    for name in ("django.request", "django.security", "django.server", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
    # Django says of every task that it began and ended.
    logging.getLogger("django").setLevel(logging.WARNING)
    logging.getLogger("samizdat").setLevel(logging.INFO)
