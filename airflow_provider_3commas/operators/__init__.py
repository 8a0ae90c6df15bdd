"""Operators of the 3Commas provider."""
