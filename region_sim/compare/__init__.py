"""georeg beside three other designs: the same seeds, viewers and faults, the same judge.

`runs` runs them, `playing` says which screens really played, `tally` counts, `figures` says what is
shown and what it means, `table` and `chart` show it.
"""
