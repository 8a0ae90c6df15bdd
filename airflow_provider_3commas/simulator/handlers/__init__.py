"""What carries out the calls, by subject."""
