"""What writes parts of the checkout."""
