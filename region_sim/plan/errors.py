"""What can be wrong with what a person asked for."""


class PlanError(Exception):
    """The plan cannot be run; the message says what is wrong and what to write instead."""
