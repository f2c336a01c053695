"""Photographs that somebody looks at before anybody else sees them.

The stage checks what it has made, then holds it. Airflow asks under "Required Actions" whether to publish it,
with links to its contact sheet and to what differs from what is there. The wait holds no worker. What is
published starts the next stage; what is rejected is skipped with what follows, and the history says why.
"""

# [START approval]
from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Asset, Param, task

from airflow_dirops import (
    DirectoryReadOperator,
    PublishOperator,
    StagedTransformOperator,
    daily_partitions,
    dirops_params,
)
from airflow_dirops.core.checks import at_most_fewer


def read_image(path):
    if path.endswith(".png"):
        from skimage import io  # here, and not above: Airflow reads this file every few seconds

        return path, io.imread(path)


def red_channel(image):
    return image[:, :, 0]


with DAG("example_approval", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):
    to_numpy = DirectoryReadOperator(
        task_id="to_numpy",
        source="raw/images/{partition}",
        target="interim/approved/{partition}",
        read=read_image,
        check=at_most_fewer("5%"),
        publish="hold",
    )

    @task.short_circuit
    def is_held(outcome):
        return outcome["outcome"] == "held"  # where nothing is new, there is nothing to decide

    ask = HITLOperator(
        task_id="ask",
        subject="Publish the images of {{ ti.xcom_pull('to_numpy')['partition'] }}?",
        body="{% set made = ti.xcom_pull('to_numpy') %}{{ made['counts']['entries'] }} images. Look at the "
        "[contact sheet]({{ made['pages']['sheet'] }}) and at [what differs]({{ made['pages']['diff'] }}).",
        options=["Publish", "Reject"],
        params={"reason": Param("", type="string", description="For whoever asks later.")},
        response_timeout=timedelta(days=6),  # what is held is dropped after a week
    )
    publish = PublishOperator(
        task_id="publish", held=to_numpy.output, decision=ask.output, outlets=[Asset("approved_images")]
    )
    StagedTransformOperator(
        task_id="red_channel",
        source=publish.output,
        target="final/approved/{partition}",
        transform=red_channel,
    )
    is_held(to_numpy.output) >> ask
# [END approval]
