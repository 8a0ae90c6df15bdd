"""The asset that stands for an exchange account."""
