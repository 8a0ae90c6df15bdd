"""Has an account settled? One decision for the worker (``sensor_run``) and the triggerer (``poller``)."""
