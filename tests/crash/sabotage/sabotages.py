"""One-line sabotages of the protocol, each with the test that must notice it."""

from __future__ import annotations

from dataclasses import dataclass

MACHINE = "tests/core/places/test_commit_machine.py"
CONCURRENCY = "tests/core/places/test_concurrency.py"
RESUME = "tests/core/plan/test_resume.py"
SYNC_ORDER = "tests/crash/test_sync_order.py"
FALSE_ANSWERS = "tests/crash/test_false_answers.py"
FAULTS = "tests/crash/test_fault_matrix.py"
ZOMBIES = "tests/crash/test_zombies.py"
PLACES = "tests/core/places/test_place_suite.py"
OPEN_CLAIMS = "tests/core/places/test_open_claims.py"
RUNS = "tests/core/places/test_runs.py"
CONTROL_FILES = "tests/core/places/test_control_files.py"
CLEAN_UP = "tests/core/upkeep/test_clean_up.py"
PUBLISHING = "tests/core/upkeep/test_publishing.py"
REMOVAL = "tests/core/plan/test_removal.py"
LEADS_OUT = "tests/core/places/test_names_that_lead_out.py"


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
    Sabotage(
        "the fence is not checked",
        "places/directory/commit.py",
        "        refuse_superseded(place, attempt, fence)\n",
        "",
        MACHINE,
    ),
    Sabotage(
        "the base is not checked",
        "places/directory/commit.py",
        "        refuse_conflict(str(claim.target), claim.attempt, claim.base, current, manifest, on_conflict)\n"
        "        # Before",
        "        # Before",
        f"{CONCURRENCY} -k stand_before",
    ),
    Sabotage(
        "the commit is noted after the swap",
        "places/directory/commit.py",
        "        claim.control.write_fence(fence, rows_after(claim.attempt, fence, current, manifest.snapshot))\n"
        "        _put_in_place(claim, claim.directory, manifest.snapshot, current)\n",
        "        _put_in_place(claim, claim.directory, manifest.snapshot, current)\n"
        "        claim.control.write_fence(fence, rows_after(claim.attempt, fence, current, manifest.snapshot))\n",
        killed("replacement"),
    ),
    Sabotage(
        "an attempt commits twice, by two of its processes",
        "places/directory/commit.py",
        "        refuse_ended(place, attempt, fence, current, sealed_by(control, attempt, fence))\n",
        "",
        f"{OPEN_CLAIMS} -k 'wakes or both_awake'",
    ),
    Sabotage(
        "a claim that was left open is taken for dead",
        "places/directory/recovery.py",
        "        if not is_dead(is_at_work=False, until=until, now=time.time()):\n",
        "        if False:\n",
        f"{OPEN_CLAIMS} -k dies",
    ),
    Sabotage(
        "an attempt is taken though another process of it is at work",
        "places/directory/recovery.py",
        "                left(area, lock)\n                return None\n",
        "                continue\n",
        f"{OPEN_CLAIMS} -k keeps_what",
    ),
    Sabotage(
        "who goes on with a claim is not told that a newer try has begun",
        "places/directory/resuming.py",
        "        refuse_superseded(place, attempt, fence)\n",
        "",
        f"{PLACES} -k TestDirectoryPlace -k newer_try",
    ),
    Sabotage(
        "a claim stays open for the next try of its run",
        "rules/ownership.py",
        "        open=False,\n",
        "",
        "tests/core/test_rules.py -k is_not_open",
    ),
    Sabotage(
        "a claim that has committed counts as open",
        "rules/ownership.py",
        "    if not row.open or has_committed(row, current, sealed):\n",
        "    if not row.open:\n",
        f"{OPEN_CLAIMS} -k both_awake",
    ),
    Sabotage(
        "the base of a claim that was left open is not kept",
        "places/directory/retention.py",
        "                    if in_use.may_include(path):\n                        continue\n",
        "",
        f"{PLACES} -k its_base_is_kept",
    ),
    Sabotage(
        "the base of a claim goes though a process of it is at work",
        "places/directory/open_claims.py",
        "        return inf\n",
        "        return until\n",
        f"{PLACES} -k TestDirectoryPlace -k as_long_as_somebody_works",
    ),
    Sabotage(
        "a claim commits again where its snapshot was removed",
        "rules/ownership.py",
        "    return is_known_to_stand(row, current) or not noted_by(row).issubset(sealed)\n",
        "    return is_known_to_stand(row, current)\n",
        f"{PLACES} -k TestDirectoryPlace -k wakes_late",
    ),
    Sabotage(
        "a claim is left open before what it needs is written down",
        "places/directory/claim.py",
        "                write_open_claim(control, attempt.id, left)\n",
        "",
        f"{OPEN_CLAIMS} -k dies",
    ),
    Sabotage(
        "a permission to replace is for any stage",
        "format/control.py",
        "self.stage in (None, stage) and self.is_for(snapshot, changed_ns)",
        "self.is_for(snapshot, changed_ns)",
        f"{PLACES} -k TestDirectoryPlace -k stages_snapshot_is_replaced",
    ),
    Sabotage(
        "a permission to replace is for whatever is there",
        "format/control.py",
        "            return self.snapshot == snapshot\n",
        "            return True\n",
        f"{PLACES} -k snapshot_that_was_there",
    ),
    Sabotage(
        "a permission to replace a directory outlives what was in it",
        "format/control.py",
        "self.changed_ns is not None and self.changed_ns == changed_ns",
        "self.changed_ns is not None",
        f"{PLACES} -k directory_as_it_was",
    ),
    Sabotage(
        "a permission to replace is for ever",
        "places/directory/commit.py",
        "        _use_up_adoption(claim)\n",
        "        pass\n",
        "tests/core/places/test_adoption.py -k replaced_once",
    ),
    Sabotage(
        "a permission to replace outlives the snapshot that it is for",
        "places/directory/claim.py",
        "            control.forget_adoption()\n            adoption = None\n",
        "            adoption = None\n",
        "tests/core/places/test_adoption.py -k outlived",
    ),
    Sabotage(
        "the target's lock is not taken",
        "places/directory/lock.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        f"{ZOMBIES} -k while",
    ),
    Sabotage(
        "an attempt does not lock that it is alive",
        "places/directory/alive.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "the swap is not synced",
        "places/directory/swap.py",
        "        sync_directory(target.parent)\n        sync_directory(tree.parent)\n",
        "        pass\n",
        SYNC_ORDER,
    ),
    Sabotage(
        "a file's bytes are not synced",
        "disk/durable.py",
        "            os.fsync(descriptor)\n        except OSError as error:\n",
        "            pass\n        except OSError as error:\n",
        SYNC_ORDER,
    ),
    Sabotage(
        "a failed sync is repeated",
        "disk/durable.py",
        "        except OSError as error:\n            errors[descriptor] = error\n",
        "        except OSError:\n            os.fsync(descriptor)\n",
        f"{FAULTS} -k fresh",
    ),
    Sabotage(
        "a small file is replaced in place",
        "disk/documents.py",
        '    fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}{_FRESH}")\n',
        "    fresh = path\n",
        killed("fresh"),
    ),
    Sabotage(
        "the name of the control directory is not synced",
        "places/directory/control.py",
        "    sync_directory(path.parent)\n",
        "",
        f"{SYNC_ORDER} -k fresh",
    ),
    Sabotage(
        "the target is not read back",
        "places/directory/swap.py",
        "        raise CommitUnknown(str(target), error) from error\n    _read_back(target, snapshot)\n",
        "        raise CommitUnknown(str(target), error) from error\n",
        FALSE_ANSWERS,
    ),
    Sabotage(
        "an error of the swap is believed",
        "places/directory/swap.py",
        "        if _seen_at(target) != snapshot:\n            raise _refused(target, error) from error\n",
        "        raise _refused(target, error) from error\n",
        FALSE_ANSWERS,
    ),
    Sabotage(
        "no intent is written before two renames",
        "places/directory/swap.py",
        "    control.write_intent(Intent(attempt=area, snapshot=snapshot, retired=place.name))\n",
        "",
        killed("replacement_plain"),
    ),
    Sabotage(
        "a swap that was cut off is not finished",
        "places/directory/recovery.py",
        "    if not control.target.exists():\n        _finish(control, intent)\n",
        "",
        killed("cut_off_swap"),
    ),
    Sabotage(
        "the tree is collected though it holds the replaced snapshot",
        "places/directory/claim.py",
        "        if swapped_out(area) is None:\n",
        "        if True:\n",
        f"{FAULTS} --crash-full -k [replacement]",
    ),
    Sabotage(
        "a mapped instance replaces what another one of its run has committed",
        "rules/replacing.py",
        "    if sibling is None:\n",
        "    if True:\n",
        f"{RUNS} -k Mapped",
    ),
    Sabotage(
        "a mapped instance replaces what another one has committed meanwhile",
        "places/directory/commit.py",
        "        refuse_sibling(place, attempt.run, current.attempt if current else None, fence)\n",
        "",
        f"{RUNS} -k Mapped",
    ),
    Sabotage(
        "the fence forgets which mapped instances have committed",
        "rules/replacing.py",
        "    committed += [known for key, row in fence.items()"
        " if row.committed and (known := LogicalRun.of_fence_key(key))]\n",
        "",
        f"{RUNS} -k Mapped",
    ),
    Sabotage(
        "the seal lists outputs without a look at them",
        "staging/seal.py",
        "        outputs = [check(output) for output in line.outputs]\n",
        "        outputs = list(line.outputs)\n",
        f"{CONTROL_FILES} -k cleans_up",
    ),
    Sabotage(
        "the seal believes a journal that was altered",
        "staging/journal.py",
        "        if (count, offset, checksum) != (self._lines, self._bytes, self._checksum):\n",
        "        if False:\n",
        "tests/core/staging/test_seal.py -k says_something_else",
    ),
    Sabotage(
        "the seal believes a journal that was replaced",
        "staging/journal.py",
        "        self._check_name()\n",
        "",
        f"{CONTROL_FILES} -k cleans_up",
    ),
    Sabotage(
        "an id in a manifest or an intent may be any path",
        "format/members.py",
        'rf"\\A{_ID}\\Z", max_length=36',
        'r"(?s).*"',
        LEADS_OUT,
    ),
    Sabotage(
        "an intent may move any directory into the target's place",
        "format/members.py",
        'rf"\\A{_RETIRED}\\Z", max_length=64',
        'r"(?s).*"',
        f"{CONTROL_FILES} -k another_directory",
    ),
    Sabotage(
        "the lock may be a link, whose file is emptied",
        "places/directory/lock.py",
        " | os.O_NOFOLLOW",
        "",
        "tests/core/places/test_what_lies_in_the_way.py -k place_of_the_lock",
    ),
    Sabotage(
        "what was made is not compared with what was there",
        "pipeline.py",
        "            losses.check_sealed(sealed)\n",
        "",
        REMOVAL,
    ),
    Sabotage(
        "a permission to remove results is for any snapshot",
        "places/directory/control.py",
        "return self._removal_accepted_for() == snapshot",
        "return self._removal_accepted_for() is not None",
        f"{REMOVAL} -k mid_run",
    ),
    Sabotage(
        "a permission to remove results is for ever",
        "plan/ending.py",
        "        losses.forget_permission()\n",
        "",
        f"{REMOVAL} -k once",
    ),
    Sabotage(
        "a permission to remove results outlives the snapshot that it is for",
        "places/directory/claim.py",
        "        control.forget_outlived_removal(base.snapshot if base else None)\n",
        "",
        f"{REMOVAL} -k outlived",
    ),
    Sabotage(
        "a fence that cannot be read is thrown away",
        "places/directory/control.py",
        "            put_aside(self._fence)\n",
        "",
        f"{CONTROL_FILES} -k Fence",
    ),
    Sabotage(
        "a directory of somebody else's is taken for a dead attempt",
        "places/directory/recovery.py",
        "[area for area in areas if not _is_foreign(area)], left)\n",
        "areas, left)\n",
        f"{CLEAN_UP} -k stay",
    ),
    Sabotage(
        "a restored snapshot is believed to be durable",
        "staging/keeping.py",
        '        elif held.manifest.durability != "full" and self._is_durable:\n',
        "        elif False:\n",
        "tests/core/upkeep/test_upkeep.py -k durable",
    ),
    Sabotage(
        "a machine believes the names that it has seen before",
        "disk/held.py",
        "        with suppress(OSError):\n            os.close(_open_anew(directory))\n",
        "        pass\n",
        "tests/power/test_nfs.py -k at_once",
    ),
    Sabotage(
        "clean-up takes what somebody put into its folders",
        "places/directory/retention.py",
        "    return is_empty or any((path / mark).exists() for mark in _MARKS)\n",
        "    return True\n",
        f"{CLEAN_UP} -k stay",
    ),
    Sabotage(
        "what a dead attempt swapped out is not kept",
        "places/directory/recovery.py",
        "            keep_swapped_out(control, area)\n",
        "            pass\n",
        killed("take_over"),
    ),
    Sabotage(
        "nobody notes that a replaced directory is not ours",
        "places/directory/swap.py",
        '        write_file(mark_of_unmanaged(area), b"")\n',
        "",
        killed("unmanaged"),
    ),
    Sabotage(
        "retention takes a snapshot that is read",
        "places/directory/retention.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "a reader does not lock its snapshot",
        "places/directory/holding.py",
        "fcntl.flock(directory.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "pass",
        MACHINE,
    ),
    Sabotage(
        "a pinned snapshot is looked for in a list that is out of date",
        "places/directory/holding.py",
        "    for _ in range(2):\n"
        "        refused: TransientError | None = None\n"
        "        for place in chain([target], control.trees()):\n",
        "    trees = [*control.trees()]\n"
        "    for _ in range(2):\n"
        "        refused: TransientError | None = None\n"
        "        for place in chain([target], trees):\n",
        f"{CONCURRENCY} -k pinned",
    ),
    Sabotage(
        "clean-up takes what is held",
        "places/directory/on_hold.py",
        "    return must_stay(hold, sealed, time.time())\n",
        "    return False\n",
        PUBLISHING,
    ),
    Sabotage(
        "what is held is published over what it was not made to replace",
        "places/directory/commit.py",
        "        refuse_moved_base(str(control.target), held.manifest, current)\n",
        "",
        PUBLISHING,
    ),
    Sabotage(
        "a held snapshot is published though files of it are gone",
        "upkeep/publishing.py",
        "    _check_whole(place, held)\n",
        "",
        PUBLISHING,
    ),
]
