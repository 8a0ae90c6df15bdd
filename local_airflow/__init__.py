"""A whole Airflow in a folder of its own, as child processes: for the demo and for the tests."""
