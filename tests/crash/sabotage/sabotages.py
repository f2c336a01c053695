"""One-line sabotages of the protocol, each with the test that must notice it."""

from __future__ import annotations

from dataclasses import dataclass

MACHINE = "tests/core/test_commit_machine.py"
CONCURRENCY = "tests/core/test_concurrency.py"
RESUME = "tests/core/test_resume.py"
SYNC_ORDER = "tests/crash/test_sync_order.py"
FALSE_ANSWERS = "tests/crash/test_false_answers.py"
FAULTS = "tests/crash/test_fault_matrix.py"
ZOMBIES = "tests/crash/test_zombies.py"


def killed(scenario: str) -> str:
    """Every point of the kill matrix in one scenario."""
    return f"tests/crash/test_kill_matrix.py --crash-full -k [{scenario}]"


@dataclass(frozen=True)
class Sabotage:
    """A change that breaks a promise.

    :param module: in ``airflow_dirops/core``.
    :param text: what stands there, exactly once.
    :param instead: what stands there then.
    :param test: arguments of pytest: what must fail.
    """

    what: str
    module: str
    text: str
    instead: str
    test: str


SABOTAGES = [
    Sabotage("the fence is not checked", "commit.py", "        check_fence(control, attempt, fence)\n", "", MACHINE),
    Sabotage(
        "the base is not checked",
        "commit.py",
        "        _check_base(claim, current, manifest, on_conflict)\n",
        "",
        f"{CONCURRENCY} -k stand_before",
    ),
    Sabotage(
        "the commit is noted after the swap",
        "commit.py",
        "        control.write_fence(fence, rows_after(attempt, fence, current, manifest.snapshot))\n"
        "        swap(claim, manifest.snapshot)\n",
        "        swap(claim, manifest.snapshot)\n"
        "        control.write_fence(fence, rows_after(attempt, fence, current, manifest.snapshot))\n",
        killed("replacement"),
    ),
    Sabotage(
        "the target's lock is not taken",
        "control.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        f"{ZOMBIES} -k while",
    ),
    Sabotage(
        "an attempt does not lock that it is alive",
        "attempts.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "the swap is not synced",
        "swap.py",
        "    sync_directory(target.parent)\n    sync_directory(tree.parent)\n",
        "",
        SYNC_ORDER,
    ),
    Sabotage(
        "a file's bytes are not synced",
        "durable.py",
        "            os.fsync(descriptor)\n        except OSError as error:\n",
        "            pass\n        except OSError as error:\n",
        SYNC_ORDER,
    ),
    Sabotage(
        "a failed sync is repeated",
        "durable.py",
        "        except OSError as error:\n            errors[descriptor] = error\n",
        "        except OSError:\n            os.fsync(descriptor)\n",
        f"{FAULTS} -k fresh",
    ),
    Sabotage(
        "a small file is replaced in place",
        "durable.py",
        '    fresh = path.with_name(path.name + ".new")\n',
        "    fresh = path\n",
        killed("fresh"),
    ),
    Sabotage(
        "the name of the control directory is not synced",
        "control.py",
        "    sync_directory(path.parent)\n",
        "",
        f"{SYNC_ORDER} -k fresh",
    ),
    Sabotage(
        "the target is not read back",
        "swap.py",
        "    sync_directory(tree.parent)\n    _read_back(target, snapshot)\n",
        "    sync_directory(tree.parent)\n",
        FALSE_ANSWERS,
    ),
    Sabotage(
        "an error of the swap is believed",
        "swap.py",
        "        if snapshot_in(target) != snapshot:\n            raise _refused(target, error) from error\n",
        "        raise _refused(target, error) from error\n",
        FALSE_ANSWERS,
    ),
    Sabotage(
        "no intent is written before two renames",
        "swap.py",
        "    control.write_intent(Intent(attempt=attempt, snapshot=snapshot, retired=place.name))\n",
        "",
        killed("replacement_plain"),
    ),
    Sabotage(
        "a swap that was cut off is not finished",
        "recovery.py",
        "    if not control.target.exists() and tree.exists():\n",
        "    if False:\n",
        killed("cut_off_swap"),
    ),
    Sabotage(
        "the tree is collected though it holds the replaced snapshot",
        "claim.py",
        "        if swapped_out(self.directory) is None:\n",
        "        if True:\n",
        f"{FAULTS} -k [replacement]",
    ),
    Sabotage(
        "a mapped instance replaces what another one of its run has committed",
        "rules.py",
        "    if sibling is None:\n",
        "    if True:\n",
        "tests/core/test_runs.py -k Mapped",
    ),
    Sabotage(
        "clean-up takes what somebody put into its folders",
        "retention.py",
        "    return is_empty or any((path / mark).exists() for mark in _MARKS)\n",
        "    return True\n",
        "tests/core/test_clean_up.py -k stay",
    ),
    Sabotage(
        "what a dead attempt swapped out is not kept",
        "recovery.py",
        "                    keep_swapped_out(control, directory)\n",
        "                    pass\n",
        killed("take_over"),
    ),
    Sabotage(
        "nobody notes that a replaced directory is not ours",
        "swap.py",
        '        write_file(mark_of_unmanaged(claim.directory), b"")\n',
        "",
        killed("unmanaged"),
    ),
    Sabotage(
        "retention takes a snapshot that is read",
        "retention.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "a reader does not lock its snapshot",
        "reader.py",
        "fcntl.flock(directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "a pinned snapshot is looked for in a list that is out of date",
        "reader.py",
        "    for place in chain([target], control.trees(), [target], control.trees()):\n",
        "    for place in [target, *control.trees(), target, *control.trees()]:\n",
        f"{CONCURRENCY} -k pinned",
    ),
]
