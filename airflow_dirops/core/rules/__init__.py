"""Who may claim and commit: decisions over what was read elsewhere. Nothing here reads or writes a file."""
