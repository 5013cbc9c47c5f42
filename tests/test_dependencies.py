"""What is installed with the product is used by it: each package is one more whose author has to be trusted."""

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

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
