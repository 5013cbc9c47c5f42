"""`samizdat serve` beside the demo."""

import signal
import socket
import subprocess
import time

from samizdat import processes
from samizdat.cli.demo.parameters import PUBLIC
from samizdat.cli.output import CommandFailed


def start_serve(port: int) -> subprocess.Popen[bytes]:
    command = processes.command("samizdat.cli", "serve", "--port", str(port), "--public-port", str(port + PUBLIC))
    # A session of its own: Ctrl-C reaches the demo alone, which then stops the tree in order.
    return subprocess.Popen(command, env=processes.environment(), stdout=subprocess.DEVNULL, start_new_session=True)


def wait_for_port(port: int, tree: subprocess.Popen[bytes], patience: float = 30) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if tree.poll() is not None:
            raise CommandFailed(
                "The demo could not start. Is another one running? Stop it, or choose another --port.", "demo"
            )
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise CommandFailed(f"The app did not answer on port {port} in {patience:.0f} seconds. Run this again.", "demo")


def stop_serve(tree: subprocess.Popen[bytes]) -> None:
    if tree.poll() is None:
        tree.send_signal(signal.SIGTERM)
        try:
            tree.wait(15)
        except subprocess.TimeoutExpired:
            tree.kill()
            tree.wait()
