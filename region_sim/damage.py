"""Damages what stands on a region's disk: a torn page, flipped bits, a file that is cut short.

Only databases (and their logs) are damaged, as a disk damages what is written most. Files that the
region has moved aside stay as they are.
"""

from pathlib import Path
from random import Random
from typing import Final

PAGE: Final = 4096
FLIPS: Final = 8
_SUFFIXES: Final = (".sqlite3", ".sqlite3-wal")


def damage(directory: Path, random: Random) -> None:
    """Damage each database under a directory, in a way that is drawn."""
    files = (file for file in directory.rglob("*") if file.name.endswith(_SUFFIXES))
    for file in sorted(files):
        content = bytearray(file.read_bytes())
        if not content:
            continue
        at = random.randrange(len(content))
        match random.randrange(3):
            case 0:
                content[at : at + PAGE] = random.randbytes(min(PAGE, len(content) - at))
            case 1:
                del content[at:]
            case _:
                for _ in range(FLIPS):
                    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        file.write_bytes(content)
