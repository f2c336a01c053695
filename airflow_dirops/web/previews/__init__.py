"""Pictures of files: decoded in a process of its own, with limits, and never more than asked for."""
