"""Where programs are that are not Python: what `.ci/tools` got, or what the machine has."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tool(command: str) -> str | None:
    """Path of the program in .tools, or else in the PATH; None when it is missing."""
    places = (str(ROOT / ".tools"), os.environ["PATH"])
    return shutil.which(command, path=os.pathsep.join(places))
