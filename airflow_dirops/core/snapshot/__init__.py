"""Reading what was committed: exactly one snapshot, whole, and one value at a time."""
