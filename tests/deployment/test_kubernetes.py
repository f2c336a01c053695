"""What ``docs/kubernetes.md`` shows is what Kubernetes takes, as far as schemas and Airflow's provider can tell."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_dirops import DirectoryReadOperator
from tests import needs
from tests.docs.markdown import page

PAGE = page("docs/kubernetes.md")
DAG = "from airflow.sdk import DAG\n\nwith DAG('pods', schedule=None) as dag:\n"


def documents() -> list[dict[str, Any]]:
    return [each for found in PAGE.snippets if found.language == "yaml" for each in yaml.safe_load_all(found.text)]


def named(kind: str) -> dict[str, Any]:
    (found,) = (each for each in documents() if each["kind"] == kind)
    return found


@pytest.mark.parametrize("document", documents(), ids=lambda each: each["kind"])
def test_every_document_is_what_the_schemas_of_kubernetes_allow(document: dict[str, Any]) -> None:
    accept(document)


@pytest.mark.parametrize("at", ["spec", "spec.containers.0", "spec.volumes.0", "spec.securityContext"])
def test_a_misspelt_field_would_be_found(at: str) -> None:
    template = named("Pod")
    place: Any = template
    for step in at.split("."):
        place = place[int(step) if step.isdigit() else step]
    place["readonly"] = True
    with pytest.raises(Exception, match="readonly"):
        accept(template)


def test_the_template_mounts_the_claim_where_the_root_is() -> None:
    claim, pod = named("PersistentVolumeClaim"), named("Pod")
    (container,) = pod["spec"]["containers"]
    (volume,) = pod["spec"]["volumes"]
    (mount,) = container["volumeMounts"]
    settings = {each["name"]: each["value"] for each in container["env"]}
    assert claim["metadata"]["name"] == volume["persistentVolumeClaim"]["claimName"]
    assert claim["spec"]["accessModes"] == named("PersistentVolume")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert mount == {"name": volume["name"], "mountPath": settings["AIRFLOW__DIROPS__ROOT"]}


def test_a_shard_gets_the_pod_of_the_template_and_the_override(tmp_path: Path) -> None:
    needs.packages("deployment", "airflow.providers.cncf.kubernetes", "kubernetes_validate")
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    shard, *others = sharded()
    file = tmp_path / "template.yaml"
    file.write_text(yaml.safe_dump(named("Pod")))
    pod = PodGenerator.construct_pod(
        dag_id="pods",
        task_id=shard.task_id,
        pod_id="segment",
        try_number=1,
        map_index=3,
        kube_image="",
        date=datetime.now(UTC),
        args=["airflow", "run"],
        pod_override_object=shard.partial_kwargs["executor_config"]["pod_override"],
        base_worker_pod=PodGenerator.deserialize_model_file(str(file)),
        namespace="airflow",
        scheduler_job_id="1",
    )
    made = PodGenerator.serialize_pod(pod)
    accept(made)
    (container,) = made["spec"]["containers"]
    assert container["volumeMounts"] == named("Pod")["spec"]["containers"][0]["volumeMounts"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert made["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert made["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "data"
    assert [task.executor_config for task in others] == [{}, {}]


def sharded() -> list[Any]:
    """The shard, the plan and the commit that the page's snippet makes."""
    (snippet,) = (found.text for found in PAGE.snippets if found.language == "py")
    indented = re.sub(r"^(?=.)", "    ", snippet, flags=re.MULTILINE)
    names: dict[str, Any] = {"DirectoryReadOperator": DirectoryReadOperator, "segment": len}
    exec(DAG + indented, names)
    return [names["dag"].get_task(f"segment.{name}") for name in ("shard", "plan", "commit")]


def accept(document: dict[str, Any]) -> None:
    needs.packages("deployment", "kubernetes_validate")
    import kubernetes_validate

    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
