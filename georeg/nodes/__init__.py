"""A region of many nodes: slices, who runs which, and how any node answers any call."""
