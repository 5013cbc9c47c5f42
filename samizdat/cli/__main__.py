"""The samizdat command."""

import importlib

import click

from samizdat import processes
from samizdat.cli import bootstrap
from samizdat.cli.output import OutputSettings, called

# Word -> module and attribute. Loaded when called for, so that the command answers at once.
COMMANDS = {
    "init": ("instance", "init"),
    "serve": ("instance", "serve"),
    "worker": ("instance", "worker"),
    "doctor": ("doctor", "doctor"),
    "upgrade": ("upgrade", "upgrade"),
    "keys": ("keys", "keys"),
    "keyservice": ("keyservice", "keyservice"),
    "backup": ("backup", "backup"),
    "restore": ("restore", "restore"),
    "release": ("copied_installation", "release"),
    "move": ("moving", "move"),
    "organization": ("instance", "organization"),
    "person": ("instance", "person"),
    "api-key": ("api_keys", "api_key"),
    "change": ("changes", "change"),
    "domain": ("domains", "domain"),
    "list": ("audience", "lists"),
    "form": ("forms", "forms"),
    "segment": ("segments", "segments"),
    "tag": ("tags", "tags"),
    "import": ("audience", "import_"),
    "rescue": ("rescue", "rescue"),
    "import-account": ("account", "import_account"),
    "export": ("export", "export"),
    "standing-copy": ("standing_copy", "standing_copy"),
    "webhook": ("webhooks", "webhook"),
    "subscribers": ("audience", "subscribers"),
    "paper": ("privacy", "paper"),
    "log": ("log", "log"),
    "campaign": ("campaign", "campaign"),
    "report": ("report", "report"),
    "template": ("templates", "template"),
    "archive": ("archive", "archive"),
    "fundraiser": ("fundraisers", "fundraiser"),
    "route": ("routes", "route"),
    "bounce": ("bounces", "bounce"),
    "mail": ("mail", "mail"),
    "seed": ("seeds", "seed"),
    "inbox": ("inbox", "inbox"),
    "demo": ("demo", "demo"),
    "completion": ("completion", "completion"),
}


class CommandLine(click.Group):
    """Looks commands up in COMMANDS."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if context.params.get("url"):
            from samizdat.cli import remote

            return remote.command_named(name)
        module, attribute = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"samizdat.cli.{module}"), attribute)
        return command


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=None, version="0.1.0", prog_name="samizdat")
@click.option("--url", metavar="URL", help="Of the app: the command is done there, over the network (docs/api.md).")
@click.option(
    "--key-file", metavar="FILE", help="With --url: the file that holds the API key, and that only you can read."
)
@click.pass_context
def samizdat(context: click.Context, url: str | None, key_file: str | None) -> None:
    """The newsletter service that nobody can switch off."""
    if bool(url) != bool(key_file):
        raise click.UsageError("--url and --key-file go together.")
    context.ensure_object(OutputSettings)


def main() -> None:
    processes.close_memory()  # A command may hold keys, and reads people in plain.
    bootstrap.end_when_locked()
    # click answers usage errors with 2 and our sentences with 1.
    samizdat(prog_name=called())


if __name__ == "__main__":
    main()
