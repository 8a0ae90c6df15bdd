"""The JSON that the API answers with, by subject, with the same mix of notations as the real one."""
