"""What reads Airflow's context and configuration, for the doors: who runs, for which partition, below which root."""
