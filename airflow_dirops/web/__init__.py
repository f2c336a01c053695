"""A page in Airflow's web UI: what the manifests know, for whoever may read the DAG that wrote them."""
