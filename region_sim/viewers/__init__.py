"""Households whose devices start, watch, zap, roam, vanish and kick one another."""

from region_sim.viewers.town import Town
from region_sim.viewers.viewers import Viewers

__all__ = ["Town", "Viewers"]
