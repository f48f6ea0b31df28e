"""The simulated world: regions as processes on machines, faults, and what stands around them."""
