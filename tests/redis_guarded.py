"""A real master with a replica, and sentinels that let the replica take over when it is killed."""

import subprocess
from pathlib import Path
from typing import Final

from tests.redis_server import NO_DISK, RedisServer, free_port, wait_until

SERVICE: Final = "main"


class GuardedRedis:
    """Made in folders of its own; `start`, then `stop`."""

    def __init__(self, folder: Path, *, sentinels: int = 3, down_after_ms: int = 300) -> None:
        """`down_after_ms`: so long the master is silent before it counts as down."""
        self._down_after_ms = down_after_ms
        self._folder = folder
        self.master = RedisServer(_made(folder / "master"))
        self.replica: RedisServer
        self._ports = [free_port() for _ in range(sentinels)]
        self.sentinels: list[RedisServer] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def start(self) -> "GuardedRedis":
        """Start them, and wait until they all know one another."""
        port = str(self.master.start().port)
        self.replica = RedisServer(
            _made(self._folder / "replica"), *NO_DISK, "--replicaof", "127.0.0.1", port
        ).start()
        wait_until(self.replica.is_in_step, "the replica has its master's data")
        quorum = len(self._ports) // 2 + 1
        for number, own_port in enumerate(self._ports):
            config = _made(self._folder / f"sentinel-{number}") / "sentinel.conf"
            config.write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {port} {quorum}\n"
                f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}\n"
                f"sentinel failover-timeout {SERVICE} 2000\n"
            )
            sentinel = RedisServer(config.parent, port=own_port, sentinel=config)
            self.sentinels.append(sentinel.start())
        known = f"status=ok,address=127.0.0.1:{port},slaves=1,sentinels={len(self._ports)}"
        for sentinel in self.sentinels:
            wait_until(lambda s=sentinel: known in s.cli("INFO", "sentinel"), "the sentinels agree")  # type: ignore[misc]
        return self

    def has_failed_over(self) -> bool:
        """Whether the replica is the master by now."""
        try:
            return "role:master" in self.replica.cli("INFO", "replication")
        except subprocess.CalledProcessError:  # a sentinel that promotes it hangs up on its clients
            return False

    def stop(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.stop()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
