"""What has to run and why, and what speaks against it before any work is done."""
