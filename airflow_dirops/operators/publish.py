"""Publish or reject, as a task, what a stage before it has held."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from airflow_dirops.core import errors
from airflow_dirops.core.format.pins import SnapshotPin, pin_of
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime import events
from airflow_dirops.runtime.context import attempt_of
from airflow_dirops.runtime.links import SnapshotLink
from airflow_dirops.runtime.mapping import naming_the_task
from airflow_dirops.runtime.paths import absolute_path
from airflow_dirops.runtime.retries import RETRY_POLICY
from airflow_dirops.runtime.roots import Root, check_root_conn_id, root_of

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

    from airflow_dirops.core import Manifest, Outcome

PUBLISH, REJECT = "Publish", "Reject"
"""What a person may choose; ``Approve`` of Airflow's ``ApprovalOperator`` is as good as the first."""

_LETS_THROUGH = frozenset({PUBLISH, "Approve"})
_MOST_OF_A_NAME = 200


class Decision(NamedTuple):
    """What is to become of a held snapshot.

    :param user: who decided; None for the task itself.
    """

    lets_through: bool
    user: str | None
    reason: str


class PublishOperator(BaseOperator):
    """Publishes what a stage has held, with ``publish="hold"`` or ``"if_passed"``; or rejects it, as somebody has said.

    It is the one commit, and makes the asset events of its ``outlets``; what comes after it takes its ``.output`` as
    source. Where the stage had nothing new, so that nothing is held, it does nothing, and hands that on. Where it
    rejects, it and what follows is skipped.

    :param held: the stage's ``.output``; or a mapping with ``target`` and ``snapshot``.
    :param decision: the output of Airflow's ``HITLOperator`` with the options ``["Publish", "Reject"]``, and with a
        param ``reason`` if one is to be given; without it, what is held is published.
    :param reason: for whoever asks later, where the decision gives none.
    :param root_conn_id: the connection that names what a relative path in ``held`` is below, as for the stages.
    :raises NotHeld: if it was decided already, or its time is over.
    :raises TargetConflict: if another snapshot was committed since it was made.
    """

    template_fields: Sequence[str] = ("held", "decision", "reason")
    operator_extra_links: Collection[BaseOperatorLink] = (SnapshotLink(),)
    ui_color: str = "#dcefe6"

    def __init__(
        self,
        *,
        held: Any,
        decision: Any = None,
        reason: str = "",
        root_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        with naming_the_task(kwargs.get("task_id")):
            check_root_conn_id(root_conn_id)
            _check_held(held)
        super().__init__(**{"retry_policy": RETRY_POLICY, **kwargs})
        self.held = held
        self.decision = decision
        self.reason = reason
        self.root_conn_id = root_conn_id
        self.target = ""
        self.outcome: Outcome | None = None

    @property
    def root(self) -> Root:
        """What a relative path is below."""
        return root_of(self.root_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish, tell the outlets, and return the outcome for the next stage; or reject, and be skipped."""
        pin, decision = self._pin(), _decision_of(self.decision, self.reason)
        self.target = pin.target
        if not pin.was_held and pin.outcome is not None:
            self.outlets = []
            self.log.info("Nothing is held: the stage before came to %r", shown(pin.outcome))
            return dict(self.held)
        from airflow_dirops.core import publish, read_manifest, reject

        attempt = attempt_of(context, pin.partition, self.task_id)
        said: dict[str, Any] = {"reason": decision.reason, "user": decision.user, "attempt": attempt}
        if not decision.lets_through:
            rejected = reject(pin.target, pin.snapshot, **said)
            raise AirflowSkipException(
                f"snapshot {rejected.snapshot} was rejected by {rejected.user}: {rejected.reason}"
            )
        began = time.monotonic()
        publish(pin.target, pin.snapshot, **said)
        manifest = read_manifest(pin.target)
        self.outcome = _outcome(pin, manifest, str(attempt.run), time.monotonic() - began)
        self.log.info("Snapshot %s of %s: %s", manifest.snapshot, pin.target, self.outcome.outcome)
        events.announce(self, context, self.outcome)
        return self.outcome.to_dict()

    def _pin(self) -> SnapshotPin:
        pin = pin_of(self.held)
        if not isinstance(pin, SnapshotPin) or pin.snapshot is None:
            raise errors.ArgumentRefused(
                f"held={shown(self.held, _MOST_OF_A_NAME)} names no snapshot; give the output of a stage with "
                "publish='hold', or a mapping with 'target' and 'snapshot'"
            )
        return pin.at(absolute_path("held", pin.target, self.root.path))


def _outcome(pin: SnapshotPin, manifest: Manifest, run: str, seconds: float) -> Outcome:
    """Committed, unless another run of Airflow had published it: then that one has told of it."""
    from airflow_dirops.core import Outcome

    who = manifest.upkeep.run if manifest.upkeep else ""
    return Outcome.of(
        "committed" if manifest.snapshot == pin.snapshot and who in ("", run) else "unchanged",
        pin.target,
        manifest,
        stage=manifest.stage,
        partition=manifest.partition,
        dimensions=manifest.dimensions,
        seconds=seconds,
    )


def _check_held(held: Any) -> None:
    if hasattr(held, "resolve") or isinstance(held, Mapping) or (isinstance(held, str) and "{{" in held):
        return
    raise errors.ArgumentRefused(
        f"held={held!r} names no snapshot; give the .output of a stage with publish='hold', or a mapping with 'target' "
        "and 'snapshot'"
    )


def _decision_of(given: Any, reason: str) -> Decision:
    """What was decided, in what a task of Airflow's returned that had asked a person."""
    if given is None:
        return Decision(True, None, reason)
    chosen = given.get("chosen_options") if isinstance(given, Mapping) else None
    if not isinstance(chosen, list) or len(chosen) != 1 or chosen[0] not in {*_LETS_THROUGH, REJECT}:
        raise errors.ArgumentRefused(
            f"decision={shown(given, _MOST_OF_A_NAME)} is neither to publish nor to reject; give the output of a "
            f"HITLOperator with options=[{PUBLISH!r}, {REJECT!r}]"
        )
    said = (given.get("params_input") or {}).get("reason") or reason
    who = given.get("responded_by_user") or {}
    user = who.get("name") or who.get("id") or "nobody in time"
    lets_through = chosen[0] in _LETS_THROUGH
    return Decision(
        lets_through, shown(user, _MOST_OF_A_NAME), shown(said) or ("" if lets_through else "no reason given")
    )
