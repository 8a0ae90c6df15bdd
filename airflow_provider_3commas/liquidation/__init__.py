"""Sell everything on an account once: guards, the record of what was sent, and what the exchange shows afterwards."""
