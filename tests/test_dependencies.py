"""What is installed with the product is used by it: each package is one more whose author has to be trusted."""

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from scripts.advisories import advisories, asks, pinned

ROOT = Path(__file__).parent.parent
# Python itself reads it where a machine has no time zones of its own.
READ_BY_PYTHON = {"tzdata"}


def test_every_dependency_is_named_in_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=;~ ]", text)[0].lower() for text in project["dependencies"]} - READ_BY_PYTHON
    code = "\n".join(path.read_text() for path in (ROOT / "samizdat").rglob("*.py"))
    modules: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            modules.setdefault(name.lower().replace("_", "-"), set()).add(module)
    modules["argon2-cffi"] = {"Argon2PasswordHasher"}  # Django imports it, by the hasher in our settings.
    unused = {name for name in wanted if not any(re.search(rf"\b{module}\b", code) for module in modules[name])}
    assert unused == set()


# -- advisories --


@contextmanager
def pypi(answers: dict[str, Any]) -> Iterator[str]:
    """What answers each path with its JSON, and 404 else; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


FLAW = {"id": "PYSEC-2026-1", "fixed_in": ["1.4"], "withdrawn": None}


def test_a_pinned_package_with_an_advisory_is_named_with_what_mends_it() -> None:
    flawed, mistaken = {"vulnerabilities": [FLAW]}, {"vulnerabilities": [FLAW | {"withdrawn": "2026-11-01"}]}
    with pypi({"/pypi/lamp/1.3/json": flawed, "/pypi/oil/2.0/json": mistaken}) as at:
        found = advisories(pinned(["lamp==1.3 \\\n    --hash=sha256:00\noil==2.0 ; python_version < '3.14'"]), asks(at))
    assert [str(one) for one in found] == ["lamp 1.3: PYSEC-2026-1, mended in 1.4"]


def test_an_index_without_advisories_is_no_answer_that_there_are_none() -> None:
    with pypi({"/pypi/lamp/1.3/json": []}) as at:
        with pytest.raises(ValueError, match="vulnerabilities"):
            advisories([("lamp", "1.3")], asks(at))
        with pytest.raises(OSError, match="404"):
            advisories([("wick", "1.0")], asks(at))


def test_every_package_that_is_installed_is_asked_about() -> None:
    wanted = pinned([(ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt")])
    assert {"django", "cryptography", "pytest"} <= {name for name, _version in wanted}
