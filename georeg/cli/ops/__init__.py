"""The commands of operators: they ask the operators' APIs of regions, show and act."""
