"""What a page says in words: the verdict, what was drawn, the tables, the list of findings."""

from html import escape
from typing import Final

from region_sim.oracle.verdict import Finding, Outcome
from region_sim.report.subject import Subject, seconds
from region_sim.report.svg import tag

FINDINGS_MAX: Final = 200
_COLOURS: Final = {
    Outcome.HOLDS: "holds",
    Outcome.BROKEN: "broken",
    Outcome.NOTHING_PROVED: "unproved",
    Outcome.NOT_CONVERGED: "unconverged",
}


def head(subject: Subject) -> str:
    """The top of the page."""
    history, verdict = subject.history, subject.verdict
    words = escape(subject.words)
    if verdict.findings:
        count = len(verdict.findings)
        words += f": {count} finding{'s' if count > 1 else ''}"
    missing = ""
    if verdict.missing:
        missing = f"<p>Expected, but never happened: {escape(', '.join(verdict.missing))}.</p>"
    about = escape(subject.scenario.about)
    return f"""
<header>
<h1>{escape(history.scenario)} <span class="quiet">seed {history.seed}</span></h1>
<p class="about">{about}</p>
<p class="verdict {_COLOURS[verdict.outcome]}">{words}</p>{missing}
{_tiles(subject)}
<div class="columns"><section><h2>What was drawn</h2><pre>{escape(subject.plan)}</pre>
<p>Run it again: <code>{escape(subject.reproduce)}</code></p></section>
<section><h2>Answered after <span class="quiet">ms</span></h2>{_latency(subject)}</section></div>
<details><summary>Calls and what really happened</summary><div class="columns">
<section><h3>Calls by answer</h3>{_counts(verdict.operations)}</section>
<section><h3>What really happened</h3>{_counts(verdict.coverage)}</section></div></details>
</header>"""


def _tiles(subject: Subject) -> str:
    verdict = subject.verdict
    excesses = verdict.excesses
    worst = max((e.peak - e.limit for e in excesses), default=0)
    longest_s = max((e.to_us - e.from_us for e in excesses), default=0) / 1e6
    agreed = "never" if verdict.converged_us is None else f"{verdict.converged_us / 1e6:.1f} s"
    refused = sum(n for name, n in verdict.operations.items() if name == "start 409")
    tiles = [
        ("broken promises", f"{len(verdict.findings)}", ""),
        ("false blocks", f"{verdict.false_blocks}", f"of {refused:,} refusals"),
        ("refusals on an end beyond a cut", f"{verdict.pending_ends}", "allowed"),
        ("times above the limit", f"{len(excesses)}",
         f"at worst +{worst}, at longest {longest_s:.1f} s" if excesses else ""),
        ("unanswered calls", f"{verdict.unanswered}", f"{verdict.indefinite} starts got no answer"),
        ("agreed after healing", agreed, ""),
        ("calls", f"{len(subject.history.calls):,}", f"in {subject.history.end_us / 1e6:.0f} s"),
    ]  # fmt: skip
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _latency(subject: Subject) -> str:
    names = ("p50", "p99", "p999", "max")
    rows = "".join(
        f"<tr><th>{escape(kind)}</th>"
        + "".join(f"<td>{found[name] / 1000:.1f}</td>" for name in names)
        + "</tr>"
        for kind, found in sorted(subject.verdict.latency_us.items())
    )
    titles = "".join(f"<th>{title}</th>" for title in ("p50", "p99", "p99.9", "max"))
    return f"<table><thead><tr><th></th>{titles}</tr></thead><tbody>{rows}</tbody></table>"


def _counts(counts: dict[str, int]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{count:,}</td></tr>"
        for name, count in sorted(counts.items())
        if count
    )
    return f'<table class="counts"><tbody>{rows}</tbody></table>'


# ---- findings --------------------------------------------------------------------------------


def findings(subject: Subject, told: set[str]) -> str:
    """The list of broken promises; `told`: accounts whose story is on the page."""
    found = subject.verdict.findings
    if not found:
        return ""
    items = "".join(
        _finding(subject, number, finding, told)
        for number, finding in enumerate(found[:FINDINGS_MAX], start=1)
    )
    more = ""
    if len(found) > FINDINGS_MAX:
        more = (
            f"<p>{len(found) - FINDINGS_MAX:,} more are left out: see <code>run --json</code>.</p>"
        )
    return f'<section id="findings"><h2>Broken promises</h2><ol>{items}</ol>{more}</section>'


def _finding(subject: Subject, number: int, finding: Finding, told: set[str]) -> str:
    links = []
    if finding.account in told:
        name = escape(finding.account)
        links.append(f'<a href="#story-{name}" data-story="{name}">story of {name}</a>')
    elif finding.account:
        links.append(f"report --account {escape(finding.account)} tells its story")
    links.append(f'<a href="#messages" data-at="{finding.at_us / 1e6}">messages</a>')
    region = subject.region_of(finding)
    place = f' in <b class="ink{subject.hue(region)}">{escape(region)}</b>' if region else ""
    calls = f" Calls {', '.join(map(str, finding.calls[:12]))}." if finding.calls else ""
    title = f"<b>{escape(finding.promise)}</b> {escape(finding.rule)}"
    return tag(
        "li",
        f"{title}, at {seconds(finding.at_us)}{place}<br>{escape(finding.text)}.{calls} "
        f"<span class='links'>{' · '.join(links)}</span>",
        id=f"finding-{number}",
        value=str(number),
    )
