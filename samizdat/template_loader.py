"""Templates are indented for those who write them; readers on a slow line need not load that."""

import re
from pathlib import Path
from typing import Any

from django.template.loaders.app_directories import Loader as AppDirectoriesLoader

_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(AppDirectoriesLoader):
    """What Django's own two loaders find, without the indentation. The lines stay: an error names the right one."""

    def get_dirs(self) -> list[str | Path]:
        return [*self.engine.dirs, *super().get_dirs()]

    def get_contents(self, origin: Any) -> str:
        return _INDENTATION.sub("", super().get_contents(origin))
