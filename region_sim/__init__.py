"""The partition simulator: real georeg code on virtual time and simulated links, and its judge.

Read it from the bottom: `kernel` (time, machines, links), `plan` (what shall happen), `world`
(regions as processes on machines), `viewers` (households that watch), `history` (what happened),
`oracle` (whether the promises held), `cli` (the `region-sim` command). `live` runs the same plans
against real processes behind Toxiproxy, `baselines` runs other designs under the same plans.
"""
