"""What ``make demo`` runs. Not part of the package: nothing here is installed with it."""
