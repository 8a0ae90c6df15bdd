"""Has an account settled? One decision for the worker (``watch``) and the triggerer (``poller``)."""
