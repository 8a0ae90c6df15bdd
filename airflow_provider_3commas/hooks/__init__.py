"""Hooks of the 3Commas provider."""
