"""One input after the other: kept, or computed by the user's functions, here or in worker processes."""
