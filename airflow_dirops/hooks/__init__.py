"""What Airflow's connections are for here."""
