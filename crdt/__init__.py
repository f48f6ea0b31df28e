"""The lattices and protocols of georeg as pure values and state machines.

No I/O, no clock, no randomness: time and ids come in as arguments, bytes in, values out.
Start reading at `shard.py` (the replicated state), then `book.py` and `holder.py` (the budgets).
"""
