"""What a process of ours says on its streams, which end in a journal on the disk: never who, never a request."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS, PATH = "kittiwake@ptarmigan.example", "/u/nobody-else-knows-this"

# Each of these once reached standard error through a logger that nobody had configured.
SAYS = f"""
import logging
import django
django.setup()
import django.core.handlers.exception
from django.test import RequestFactory
from django.utils.log import log_response
from django.http import HttpResponse

def broken():
    raise ValueError("{ADDRESS} is no value")

for name in ("samizdat.sender", "samizdat.worker", "django", "django.request", "procrastinate", "uvicorn.error", "x"):
    try:
        broken()
    except ValueError:
        logging.getLogger(name).exception("It broke for %s", "{ADDRESS}")
request = RequestFactory().get("{PATH}")
log_response("Not Found: %s", request.path, response=HttpResponse(status=404), request=request)
log_response("Internal Server Error: %s", request.path, response=HttpResponse(status=500), request=request)
logging.getLogger("uvicorn.access").warning("203.0.113.77 GET {PATH}")
logging.getLogger("django.security.DisallowedHost").error("Invalid host from 203.0.113.77: {PATH}")
"""


@pytest.mark.parametrize("settings", ["samizdat.settings", "samizdat.public.settings"])
def test_no_address_no_path_and_no_value_reaches_the_streams(settings: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": settings,
        "SAMIZDAT_DATA": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": "",
    }
    said = subprocess.run([sys.executable, "-c", SAYS], env=environment, capture_output=True, text=True, check=True)
    heard = said.stdout + said.stderr
    for word in ("kittiwake", PATH, "203.0.113.77", "Traceback"):
        assert word not in heard, heard
    assert "ERROR samizdat.sender: It broke for [address] [ValueError in <string>:" in heard
