"""The ``airflow threecommas`` commands. None of them sells."""
