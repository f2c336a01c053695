"""What a stage reads: a bare directory, a committed snapshot, or several of them joined."""
