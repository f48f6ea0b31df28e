"""The `georeg` command: one region, a demo of several, and help with config files and keys."""
