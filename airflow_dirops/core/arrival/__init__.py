"""Whether a bare directory is complete: rules that are pure, and the look that they judge."""
