"""What is asked for: a description, checked, without machinery."""
