"""What the manifests of many targets say together: what each partition is, what it was made from, what has changed.

Nothing here writes anything. All that is returned is plain: dataclasses of texts and numbers, which
:func:`~airflow_dirops.core.insight.plain.to_plain` makes fit for JSON.
"""
