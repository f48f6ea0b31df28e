"""`georeg demo`: several regions as separate processes on this machine, with a live view."""
