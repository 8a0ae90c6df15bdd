"""Extra links of the 3Commas provider."""
