"""Which version of the protocol two regions speak: agreed in the WebSocket upgrade.

The dialler offers subprotocols, `georeg.2, georeg.1`; the acceptor picks the highest that both
know. One who offers none speaks version 1, and so does one who picks none: version 1 was there
before versions were agreed. Each connection agrees on its own, so both directions between two
regions may differ for as long as one of them is being upgraded.

The proof signs the version that was picked (handshake.py), not what was offered: who can change
bytes between two regions can make them speak an older version. TLS is against that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crdt.versions import NEWEST, OLDEST
from georeg.mesh.errors import Closing, LocalError, PeerError

UNNAMED: Final = 1
"""What a side speaks that names no version."""
VERSION_MAX: Final = 9_999
_NAME: Final = re.compile(r"georeg\.([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Versions:
    """What one side speaks: every version from `oldest` to `newest`. Raises LocalError."""

    oldest: int = OLDEST
    newest: int = NEWEST

    def __post_init__(self) -> None:
        if not 1 <= self.oldest <= self.newest <= VERSION_MAX:
            raise LocalError(f"protocol versions {self}: expected 1 to {VERSION_MAX}, rising")

    def __str__(self) -> str:
        return str(self.newest) if self.oldest == self.newest else f"{self.oldest} to {self.newest}"

    def __contains__(self, version: int) -> bool:
        return self.oldest <= version <= self.newest

    def offered(self) -> tuple[str, ...]:
        """The names of all, the highest first: what a dialler offers."""
        return tuple(name_of(version) for version in range(self.newest, self.oldest - 1, -1))

    def pick(self, offered: Sequence[str]) -> int | None:
        """The highest that both sides speak, None: there is none."""
        theirs = _known(offered)
        return max((version for version in theirs if version in self), default=None)

    def agree(self, offered: Sequence[str]) -> int:
        """The version to speak with one who offers these. Raises PeerError: there is none."""
        version = self.pick(offered)
        if version is None:
            theirs = _known(offered)
            raise self._refusal(str(Versions(min(theirs), max(theirs))))
        return version

    def check(self, picked: int) -> None:
        """Raises PeerError when the other side has picked a version that is not spoken here."""
        if picked not in self:
            raise self._refusal(str(picked))

    def _refusal(self, theirs: str) -> PeerError:
        return PeerError(Closing.VERSION, f"protocol version {self} here, {theirs} there")


def _known(offered: Sequence[str]) -> list[int]:
    """The versions that a dialler offers; one that names none is as old as the first."""
    versions = [version_of(name) for name in offered]
    return [version for version in versions if version is not None] or [UNNAMED]


def name_of(version: int) -> str:
    """The subprotocol of a version."""
    return f"georeg.{version}"


def version_of(name: str | None) -> int | None:
    """The version that a subprotocol names; None when it names none."""
    found = _NAME.fullmatch(name or "")
    return int(found.group(1)) if found else None
