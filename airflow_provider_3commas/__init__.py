"""Apache Airflow provider for 3Commas: take an exchange account to safety from a DAG."""

__version__ = "0.1.0"
