"""Apache Airflow provider for 3Commas: liquidate an exchange account from a DAG."""

__version__ = "0.1.0"
