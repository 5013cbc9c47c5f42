"""demo: a whole invented organization on this machine, with a mail catcher that can be read in the browser."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli.bootstrap import load_django
from samizdat.cli.demo.parameters import ADMIN, INBOX, PASSWORD, PEOPLE
from samizdat.cli.demo.server import start_serve, stop_serve, wait_for_port
from samizdat.cli.output import common, note, say
from samizdat.options import data_folder

if TYPE_CHECKING:
    from samizdat.cli.demo.catcher import MailCatcher

FOLDER = "samizdat-demo"
READY = "demo-is-ready"


@click.command()
@click.option(
    "--port", default=8000, show_default=True, help="Port of the app; the next two, +25 and +26 are used too."
)
@click.option("--once", is_flag=True, help="Run everything without a browser, print the totals, and exit.")
@click.option("--language", type=click.Choice(["en", "ru"]), default="en", help="Language of the pages.")
@common
def demo(port: int, once: bool, language: str) -> None:
    """A working example: invented subscribers, campaigns, and an inbox to read them in. No email leaves this
    server.
    """
    if once:
        with tempfile.TemporaryDirectory(prefix="samizdat-demo-") as folder:
            use_folder(Path(folder) / FOLDER)
            from samizdat.cli.demo.once import live_once

            document, lines = live_once(language)
            say(document, *lines)
        return
    use_folder(Path(FOLDER).absolute())
    _stay(port, language)


def use_folder(folder: Path) -> None:
    """The demo runs on embedded everything, whatever the environment says."""
    os.environ["SAMIZDAT_DATA"] = str(folder)
    os.environ["SAMIZDAT_INNER_NETWORKS"] = "127.0.0.1 ::1"  # Whoever looks around may add a server of their own.
    os.environ.setdefault("SAMIZDAT_USER", "root")  # Whoever tries it in a container is nobody else.
    for name in (
        "DATABASE_URL",
        "SAMIZDAT_GATE_URL",
        "SAMIZDAT_KEY_FILE",
        "SAMIZDAT_KEY_COMMAND",
        "SAMIZDAT_KEY_SERVICE",
    ):
        os.environ.pop(name, None)
    load_django()


def _stay(port: int, language: str) -> None:
    from samizdat.cli.demo.build import catchers
    from samizdat.cli.demo.catcher import Caught, catching
    from samizdat.cli.demo.inbox import Inbox

    caught = Caught()
    providers = catchers(port, caught)
    with catching(*providers):
        _prepare(port, language, providers)
        inbox = Inbox("127.0.0.1", port + INBOX, caught, language)
        inbox.start()
        tree = start_serve(port)
        try:
            wait_for_port(port, tree)
            print(_welcome(port), flush=True)
            _until_stopped(tree)
        finally:
            stop_serve(tree)
            inbox.stop()


def _prepare(port: int, language: str, providers: "list[MailCatcher]") -> None:
    from samizdat.cli.demo.build import build, meet_again
    from samizdat.cli.instance import bring_up_to_date

    if (data_folder() / READY).exists():
        bring_up_to_date()  # The program may be newer than the last demo; nobody keeps copies of one.
        meet_again(port, providers)
        return
    clear_away(data_folder())
    note(f"Creating an invented organization with {PEOPLE:,} invented subscribers and a year of campaigns …")
    build(port, language, providers)
    (data_folder() / READY).touch()


def clear_away(folder: Path) -> None:
    """What a demo that was killed half way left behind; only ever a folder that is the demo's own."""
    if folder.exists() and folder.name == FOLDER:
        shutil.rmtree(folder)
    folder.with_name(folder.name + ".key").unlink(missing_ok=True)


def _until_stopped(tree: subprocess.Popen[bytes]) -> None:
    def stop(*_ignored: object) -> None:
        raise KeyboardInterrupt

    # Both, since a shell that starts us in the background hands us an ignored SIGINT.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    try:
        tree.wait()
    except KeyboardInterrupt:
        note("Stopping. Emails under way are finished.")


def _welcome(port: int) -> str:
    return f"""
Northern Lantern, an invented organization, is running on this server.

  App              http://127.0.0.1:{port}/
  sign in as       {ADMIN}
  password         {PASSWORD}
  Tour             http://127.0.0.1:{port}/o/northern-lantern/tour/1     (seven steps)
  Demo inbox       http://127.0.0.1:{port + INBOX}/     (all emails arrive here; none leaves this server)

Open an email in the inbox, unsubscribe with its link, and check the report again. Ctrl-C stops the demo. Its data is
in ./{FOLDER}; delete it when you're done.

For real:  ./run init --organization "Your name" --admin you@example.org    and then    ./run serve
"""
