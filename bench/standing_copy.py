"""A standing copy of an account of a million contacts, killed over and over: nobody lost, nobody twice, and how long it
takes until a list can be used.

python -m bench standing_copy [--contacts 1000000] [--kills 50] [--only sqlite|postgresql]

The service is the server of tests/fakes in a process of its own; it throttles, breaks off and is busy now and then. A
run is killed (SIGKILL) at a random moment and begun again, as often as asked for; then some contacts leave, and some
are deleted there. Then the account is closed, and lists are made of the copy.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import common

# Minutes until lists can be used; seconds of a look, of which there is one each half minute.
USABLE, ALARM = 10.0, 30.0

SERVER = """
import random, sys
from tests.fakes.mailchimp_account import CUT, FakeAccount, FakeList, MailchimpServer
each = FakeList(size=int(sys.argv[1]), seed=7)
account = FakeAccount([each], campaigns=40)
chance = random.Random(1)
def meanwhile(request):
    if request.path.endswith("/members") and chance.random() < 0.05:
        server.on(chance.choice((429, 503, CUT)), "/members")
server = MailchimpServer(account)
with server:
    server.meanwhile = meanwhile
    print(server.endpoint, flush=True)
    for line in sys.stdin:
        if line.startswith("close"):
            account.close()
        deleted = 0
        if line.startswith("leave"):
            for number in range(0, each.size, max(1, each.size // 500)):
                if each.status(number) == "subscribed":
                    account.change(each, number, status="unsubscribed")
                elif each.status(number) == "pending":
                    each.delete(number)
                    deleted += 1
        # The second one complained, which is more than to be subscribed.
        print(sum(each.status(n) == "subscribed" for n in each.numbers if n != 1), each.size, deleted, flush=True)
"""
RUN = """
import sys, django
django.setup()
from samizdat import dbclock
from samizdat.vault import keyring
keyring.open_for_django()
from samizdat.portability.account_copies import copying
copying.run(int(sys.argv[1]), now=dbclock.now, sleep=lambda seconds: None)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench standing_copy", description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    return common.on_each_database(options, "bench.standing_copy", lambda data: measure(data, options))


def _python(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], text=True, **options)


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from samizdat.accounts.actions import found_organization
    from samizdat.core.account_copy import DELETED, OUT, standing
    from samizdat.dbclock import now
    from samizdat.plugins import ServiceRefused
    from samizdat.portability.account_copies import actions, copying, people, restoring
    from samizdat.portability.account_copies.records import progress_of
    from samizdat.portability.models import AccountCopy
    from samizdat.vault import keyring
    from tests.fakes.mailchimp_account import KEY

    organization = found_organization("Lantern", source=keyring.open_source(), today=now().date())
    server = _python(SERVER, str(options.contacts), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin and server.stdout
    endpoint = server.stdout.readline().strip()
    row = actions.add(organization, "mailchimp", KEY, now=now(), endpoint=endpoint)
    began, chance, kills = time.monotonic(), random.Random(1), 0
    while True:
        run = _python(RUN, str(row.pk))
        with contextlib.suppress(Exception):
            run.wait(chance.uniform(2.0, options.contacts / 100_000 + 3.0) if kills < options.kills else None)
        if run.poll() is None:
            run.kill()
            run.wait()
            kills += 1
        elif kills >= options.kills or progress_of(AccountCopy.objects.get()).finished:
            break
    copied = time.monotonic() - began
    print("leave", file=server.stdin, flush=True)
    subscribed, size, deleted = map(int, server.stdout.readline().split())
    copying.run(row.pk, now=now, sleep=lambda seconds: None)
    row.refresh_from_db()
    statuses = [contact for known in people.folded(row, progress_of(row)) for contact in known.values()]
    here = sum(contact.status == "subscribed" for contact in statuses)
    gone = sum(standing(contact) == DELETED for contact in statuses)
    out = sum(contact.status in OUT for contact in statuses)
    common.say(f"{len(statuses):,} of {size:,} contacts in {copied:,.0f} s with {kills} kills; {out:,} of them are out")
    print("close", file=server.stdin, flush=True)
    server.stdout.readline()
    closed = time.monotonic()
    with contextlib.suppress(ServiceRefused):
        actions.look(row, now=now)
    alarmed = time.monotonic() - closed
    row = AccountCopy.objects.select_related("organization").get()
    parts = restoring.restore(row, people_only=True, now=now).people
    usable = time.monotonic() - closed
    server.kill()
    return common.conclude(
        [
            common.Target("contacts lost or doubled", abs(size - len(statuses)), 0, ""),
            common.Target("subscribed that differ", abs(subscribed - here), 0, ""),
            common.Target("deleted there and not noticed", abs(deleted - gone), 0, ""),
            common.Target("rows that did not come in", size - sum(part.counts["added"] for part in parts), 0, ""),
            common.Target("until the alarm, from the look on", alarmed, ALARM, " s"),
            common.Target("until lists can be used", usable / 60, USABLE, " min"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
