"""Regions of many nodes in the simulated world: the real nodes, a store, and a balancer."""
