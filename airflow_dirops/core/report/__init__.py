"""What a run tells: while it goes on, and in the end."""
