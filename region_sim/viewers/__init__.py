"""Households whose devices start, watch, zap, roam, vanish and kick one another."""
