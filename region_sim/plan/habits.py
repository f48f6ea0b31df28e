"""How households behave. Means are seconds of exponential times, shares are probabilities."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """Rates of one household's devices. An evening is compressed: people act often."""

    idle_s: float = 150
    """Between two streams of a device."""
    play_s: float = 120
    """Between two things that a viewer does while a stream runs."""
    kick_s: float = 900
    """Between two kicks in one household."""
    plan_s: float = 3600
    """Between two changes of a household's plan."""
    extra_devices: int = 2
    """A household has its limit and 0 to so many more devices."""
    homed: float = 0.7
    """Households whose entitlement names the region next to them as the account's home."""
    # What a viewer does next while a stream runs; what remains of 1 is: nothing.
    stop: float = 0.30
    zap: float = 0.14
    """The next title: stop and start at once, without waiting for the stop's answer."""
    vanish: float = 0.10
    """Closes the browser: no word, and a long pause."""
    crash: float = 0.08
    """No word, and the same device starts again within seconds."""
    roam: float = 0.12
    """Goes on in another region with the same session."""
    sleep: float = 0.06
    """The lid is closed for one to four minutes, then the player goes on as if nothing had been."""
    # What else happens.
    away: float = 0.15
    """A stream starts in another region than the household's usual one."""
    keyed: float = 0.5
    """Starts with an Idempotency-Key."""
    doubled: float = 0.05
    """Starts that are sent twice at once, by an impatient finger."""
    replace: float = 0.3
    """A refused viewer names a session to replace, and starts again."""
    late_beat: float = 0.1
    """A heartbeat that is on its way while the stream is stopped."""
    share: float = 0.02
    """Streams whose token a second device uses too."""
    share_beats: float = 6
    """It does so for one to so many heartbeat intervals."""
    keep_token: float = 0
    """Streams whose player ignores the tokens that heartbeats hand out."""
    burst_s: float = 600
    """Between two moments at which all devices of a household press play at once; 0: never."""
    flood_s: float = 0
    """Between two fits of a device that presses play a hundred times a second; 0: never."""
    watch_events: float = 0.1
    """Devices that listen to the event stream while they play."""
    follow: float = 0.9
    """Devices that go where a draining region sends them, each time that they are told."""
    paused: float = 0.05
    """Heartbeats that say that the viewer has paused."""
