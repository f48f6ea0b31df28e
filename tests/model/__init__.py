"""A small world of regions without sockets: the real region code against ground truth.

Discrete events instead of an event loop, so that thousands of seeds run in minutes. The oracle sees
what really happened; nothing that a region believes counts. Ported from the prototype that found
the rules, with every rule removable (mutants.py) to show that the oracle notices.
"""
