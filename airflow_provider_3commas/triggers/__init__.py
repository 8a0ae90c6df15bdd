"""Triggers of the 3Commas provider."""
