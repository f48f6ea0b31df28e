"""Time, machines and links: everything that a simulated process takes for given.

`scheduler` owns true time, `machine` is one process's asyncio loop on it, `network` carries bytes
between hosts, `connector` is how aiohttp dials, `entropy` tames what aiohttp takes from the system.
Nothing in here knows georeg.
"""
