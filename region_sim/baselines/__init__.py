"""Three other designs behind the same device API, to compare georeg with: `compare` runs them.

- `central`: one store in a home region; every other region forwards each call to it.
- `independent`: a store per region, none of which knows of the others.
- `gossip`: every region decides on its own copy of all sessions; copies are gossiped.

All three share one store with one set of rules (`store.py`) and one HTTP face (`service.py`), so
what differs is only where the store is and what it knows. None is a straw man: leases, suspects
that yield, ends that are remembered, idempotency keys and roaming are as good as the design allows,
and a store survives a crash at no cost. What each gives up is in its own module's text.
"""
