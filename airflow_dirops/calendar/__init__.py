"""Time and names to folders: periods of the calendar, how they are written, and which one a run is for."""
