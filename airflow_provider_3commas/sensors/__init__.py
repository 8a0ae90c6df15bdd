"""Sensors of the 3Commas provider."""
