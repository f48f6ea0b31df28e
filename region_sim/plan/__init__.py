"""What shall happen in a run: scenarios, faults, habits, and how they are drawn from a seed."""
