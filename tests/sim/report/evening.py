"""One household's evening with something of everything that a page shows."""

from region_sim.history import Frame, History, Life, Probe
from region_sim.oracle.verdict import Verdict
from region_sim.plan.scenario import Scenario
from region_sim.report import Subject
from tests.sim.oracle.story import Story, us


def subject_of(history: History, verdict: Verdict, **options: object) -> Subject:
    scenario = Scenario("told", "An evening, told by hand.")
    return Subject(
        history, verdict, scenario, "what was <drawn>", "words of the outcome",
        "region-sim run --scenario told --seed 7", **options,
    )  # type: ignore[arg-type]  # fmt: skip


def evening() -> Story:
    """A refusal on a dead session, one on an end beyond a cut, kicks, roaming, a crash."""
    story = Story()
    story.fault("lag", 5, 8, links="us>ap", note="")
    story.cut(100, 150)
    story.kill("ap", 160, 170, "wipe")
    story.life("us", 180, Life.PAUSED)
    story.life("us", 190, Life.RESUMED)
    tv = story.start("tv", "eu", 10)
    story.refused("phone", "eu", 20, [(tv, "local")])
    story.beat(tv, "us", 40)
    story.stop(tv, "us", 50)
    story.ended(tv, "us", 50.01, "stopped", is_kick=False)
    story.refused("<b>tablet", "us", 70, [(tv, "confirmed")])  # a false block
    book = story.start("book", "us", 95)
    story.beat(book, "us", 101)
    story.kick(book, "eu", 110)
    story.ended(book, "eu", 110.01, "kicked", by="tv")
    story.refused("tv", "us", 120, [(book, "local")])  # its end was spoken beyond the cut
    story.learned(book, "us", 151)
    story.beat(book, "us", 155, "kicked")
    story.lost_start("tv", "ap", 165)
    return story


def told(**options: object) -> Subject:
    """The evening, judged, with what regions say and what they send."""
    story = evening()
    history = story.history
    history.end_us, history.healed_us = us(260), us(200)
    story.converged(agreed_s=201)
    for second in range(1, 260):
        for region in history.regions:
            if region != "ap" or not 160 <= second < 170:
                history.probes.append(Probe(us(second), region, second % 3, 3, 1, 2, 0))
    for beat in range(250):
        arrived = None if 100 <= beat < 150 else us(beat + 0.02)
        history.frames.append(Frame(us(beat), arrived, "us", "eu", "Beacon", 40))
    return subject_of(history, story.judged(), **options)
