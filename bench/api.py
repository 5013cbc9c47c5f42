"""How many subscribers programs bring by the API of a running installation, one by one and in batches.

python -m bench api [--seconds 10] [--clients 4] [--only sqlite|postgresql]

Everything is as for users: `serve`, a key made by the command, HTTP/1.1 over loopback. Half of the single requests name
somebody new, half somebody who is here.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from bench import common
from bench.idle import House

SINGLE, ROWS = 300, 5_000
BATCH = 500


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench api", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    common.keep_bytecode()
    return common.on_each_database(options, "bench.api", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    environment = {**os.environ, "SAMIZDAT_DATA": str(data), "SAMIZDAT_API_RATE": "1000000"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-P", "-m", "samizdat.cli"]

    def run(*words: str) -> dict[str, object]:
        done = subprocess.run([*command, *words, "--json"], env=environment, check=True, stdout=subprocess.PIPE)
        return dict(json.loads(done.stdout))

    password = data.with_name("password")
    password.write_text("a long password that nobody uses")
    password.chmod(0o600)
    run("init", "--organization", "Lantern", "--admin", "ada@lantern.example", "--password-file", str(password))
    run("list", "new", "Letter")
    scopes = ["--scope", "subscribers:read", "--scope", "subscribers:write"]
    token = str(run("api-key", "add", "Benchmark", *scopes)["key"])
    with contextlib.ExitStack() as stack:
        house = House([*command, "serve"], environment)
        stack.callback(house.stop)
        house.first_page()
        client = Client(house.desk_port, token)
        number = client.ask("GET", "/lists")["items"][0]["id"]
        client.ask("PUT", "/subscribers", single(number, 0))
        singles = rate(options, house.desk_port, token, lambda at: ("PUT", "/subscribers", single(number, at)))
        path = "/subscribers/batch"
        rows = BATCH * rate(options, house.desk_port, token, lambda at: ("POST", path, batch(number, at)))
    name = options.only
    return common.conclude(
        [
            common.Target(f"{name}, one by one", singles, SINGLE, "a second", most=False),
            common.Target(f"{name}, in batches of {BATCH}", rows, ROWS, "a second", most=False),
        ]
    )


def single(list_: int, at: int) -> dict[str, object]:
    """Every second one is the one before."""
    return {"email": f"one{at // 2}@post.example", "list": list_, "consent": "Ticked the box.", "tags": ["website"]}


def batch(list_: int, at: int) -> dict[str, object]:
    rows = [{"email": f"row{at}x{number}@post.example"} for number in range(BATCH)]
    return {"list": list_, "consent": "Ticked the box.", "subscribers": rows}


class Client:
    """One connection that stays open."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> dict[str, list[dict[str, int]]]:
        data = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1{path}", data, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 400:
            raise SystemExit(f"{response.status}: {text[:500]!r}")
        return dict(json.loads(text))


def rate(
    options: argparse.Namespace, port: int, token: str, request: Callable[[int], tuple[str, str, dict[str, object]]]
) -> float:
    """Answers a second to all clients together."""
    until, done = time.monotonic() + options.seconds, [0] * options.clients

    def work(place: int) -> None:
        client, at = Client(port, token), place << 24
        while time.monotonic() < until:
            client.ask(*request(at))
            at += 1
            done[place] += 1

    threads = [threading.Thread(target=work, args=[place]) for place in range(options.clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
