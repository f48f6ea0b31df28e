"""How fast frames may come and go: token buckets over frames and bytes.

A sender waits until its buckets allow the next frame; a receiver whose buckets are empty knows that
the other side does not pace itself, and closes. The receiver bears a quarter more, and as a burst
all that can pile up in a link that stalls just short of being given up: else a stalled but honest
link would be punished when it moves again. Time is given by the caller; O(1) per frame.
"""

from typing import Final

from georeg.mesh.settings import MeshSettings

_BEARS: Final = 1.25
_SENDER_BURST_S: Final = 0.25


class TokenBucket:
    """At most `burst` at once and `rate_per_s` in the long run."""

    __slots__ = ("_at_s", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken, 0.0: now. More than the burst: when it is full."""
        grown = self._tokens + (now_s - self._at_s) * self._rate_per_s
        tokens = self._tokens = min(grown, self._burst)
        self._at_s = now_s
        missing = min(amount, self._burst) - tokens
        return missing / self._rate_per_s if missing > 0.0 else 0.0

    def take(self, amount: float, now_s: float) -> bool:
        """Take it if it is there; else take nothing and return False."""
        if self.wait_s(amount, now_s) > 0.0:
            return False
        self._tokens -= amount
        return True

    def spend(self, amount: float) -> None:
        """Take it, there or not: for one who has waited `wait_s`, which a timer may round."""
        self._tokens -= amount


class Pace:
    """The two buckets of one direction of one connection."""

    __slots__ = ("_bytes", "_frames")

    def __init__(self, frames: TokenBucket, data: TokenBucket) -> None:
        self._frames = frames
        self._bytes = data

    @classmethod
    def of_sender(cls, settings: MeshSettings, now_s: float) -> "Pace":
        """What a sender allows itself."""
        frames, data = settings.frames_per_s, settings.bytes_per_s
        return cls(
            TokenBucket(frames, max(1.0, frames * _SENDER_BURST_S), now_s),
            TokenBucket(data, max(settings.frame_bytes_max, data * _SENDER_BURST_S), now_s),
        )

    @classmethod
    def of_receiver(cls, settings: MeshSettings, now_s: float) -> "Pace":
        """What a receiver bears; always more than any sender with the same settings sends."""
        frames, data = _BEARS * settings.frames_per_s, _BEARS * settings.bytes_per_s
        burst_s = settings.silence_ms / 1000 + 1
        # Pings and pongs are not paced by the sender: room for those of the stall comes on top.
        pings = 16.0
        return cls(
            TokenBucket(frames, frames * burst_s + pings, now_s),
            TokenBucket(data, data * burst_s + settings.frame_bytes_max, now_s),
        )

    def wait_s(self, frame_bytes: int, now_s: float) -> float:
        """Seconds until a frame of this size may go, 0.0: now."""
        return max(self._frames.wait_s(1.0, now_s), self._bytes.wait_s(frame_bytes, now_s))

    def take(self, frame_bytes: int, now_s: float) -> bool:
        """Count one frame; False: too fast, nothing is counted."""
        if self.wait_s(frame_bytes, now_s) > 0.0:
            return False
        self.spend(frame_bytes)
        return True

    def spend(self, frame_bytes: int) -> None:
        """Count one frame that has waited `wait_s`."""
        self._frames.spend(1.0)
        self._bytes.spend(frame_bytes)
