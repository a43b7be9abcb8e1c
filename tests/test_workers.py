"""Supervision without a server: what dies at once is replaced ever later, what doesn't end is killed."""

import json
import subprocess
import sys
import textwrap

from service import workers
from service.app import LONGEST_CLOSE_SECONDS
from service.cli.serve import GRACEFUL_SECONDS, LONGEST_END_SECONDS, serve
from tests.patience import PATIENCE

PREPARED = """
import os, signal, socket, tempfile, time
from service import logs, workers

logs.configure("info", "json")
def supervise(work, **options):
    came = workers.supervise(socket.socket(), work, 2, **options)
    print(came.name, flush=True)
"""


def started(body: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PREPARED + textwrap.dedent(body)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def events(err: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in err.splitlines()]


def test_one_that_dies_at_once_is_replaced_after_growing_pauses() -> None:
    with started("""
        kept = tempfile.TemporaryFile()
        parent, starts = os.getpid(), kept.fileno()
        def work(number):
            if number == 1:
                time.sleep(600)
            os.write(starts, b".")
            if os.fstat(starts).st_size > 4:
                os.kill(parent, signal.SIGTERM)
                time.sleep(600)
            return 3
        supervise(work, patience=30, pause=0.05, steady=3600)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGTERM\n", 0)
    ended = [each for each in events(err) if each["event"] == "worker.ended"]
    assert {(each["worker"], each["by"]) for each in ended} == {(2, "exit code 3")}
    assert [each["replaced_in_s"] for each in ended] == [0.05, 0.1, 0.2, 0.4]


def test_one_that_the_system_has_no_room_for_is_started_later() -> None:
    with started("""
        fork, tries = os.fork, iter([False, True, True, False])
        def refused():
            if next(tries, False):
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()
        os.fork = refused
        parent = os.getpid()
        def work(number):
            if number == 2:
                os.kill(parent, signal.SIGTERM)
            time.sleep(600)
        supervise(work, patience=30, pause=0.01, steady=3600)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGTERM\n", 0)
    told = [(each["event"], each.get("again_in_s")) for each in events(err)]
    assert told == [
        ("worker.started", None), ("worker.not_started", 0.01), ("worker.not_started", 0.02),
        ("worker.started", None),
    ]  # fmt: skip


def test_where_none_can_ever_start_it_ends() -> None:
    with started("""
        def work(number):
            return 3
        print(workers.supervise(socket.socket(), work, 2, patience=30, pause=0.001, steady=3600))
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("None\n", 0), err
    ended = [each["worker"] for each in events(err) if each["event"] == "worker.ended"]
    assert min(ended.count(1), ended.count(2)) == workers.MOST_STARTS


def test_where_one_has_served_it_never_gives_up() -> None:
    with started("""
        parent, kept, first = os.getpid(), tempfile.TemporaryFile(), tempfile.TemporaryFile()
        def work(number):
            if number == 1 and os.fstat(first.fileno()).st_size == 0:
                os.write(first.fileno(), b".")
                time.sleep(0.3)
            os.write(kept.fileno(), b".")
            if os.fstat(kept.fileno()).st_size > 14:
                os.kill(parent, signal.SIGTERM)
                time.sleep(60)
            return 3
        supervise(work, patience=30, steady=0.1, pause=0.001)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGTERM\n", 0), err


def test_all_ends_in_time() -> None:
    """An answer, what runs in the background and webhooks, one after the other, before anything is killed."""
    needed = GRACEFUL_SECONDS + LONGEST_CLOSE_SECONDS
    assert needed < LONGEST_END_SECONDS < 20
    assert "within 20 seconds" in (serve.__doc__ or "")


def test_one_that_has_lived_is_replaced_at_once() -> None:
    with started("""
        parent, kept = os.getpid(), tempfile.TemporaryFile()
        def work(number):
            os.write(kept.fileno(), b".")
            if os.fstat(kept.fileno()).st_size > 6:
                os.kill(parent, signal.SIGINT)
                time.sleep(60)
            time.sleep(0.2)
            raise RuntimeError("a mistake")
        supervise(work, patience=30, steady=0.1)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGINT\n", 0)
    told = events(err)
    ended = [each for each in told if each["event"] == "worker.ended"]
    assert len(ended) >= 4
    assert {each["replaced_in_s"] for each in ended} == {0.0}
    assert any(each["event"] == "worker.failed" and "a mistake" in str(each) for each in told)


def test_a_second_ctrl_c_changes_nothing() -> None:
    """One that comes when all have ended, before the supervisor has."""
    with started("""
        parent, end = os.getpid(), workers._end
        def ending(*given):
            end(*given)
            os.kill(parent, signal.SIGINT)
        workers._end = ending
        def work(number):
            if number == 2:
                os.kill(parent, signal.SIGINT)
            time.sleep(600)
        supervise(work, patience=30)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGINT\n", 0), err


def test_one_that_does_not_end_is_killed() -> None:
    with started("""
        parent = os.getpid()
        def work(number):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if number == 2:
                os.kill(parent, signal.SIGTERM)
            time.sleep(600)
        supervise(work, patience=0.3)
    """) as run:
        out, err = run.communicate(timeout=PATIENCE)
    assert (out, run.returncode) == ("SIGTERM\n", 0)
    assert [each["event"] for each in events(err)][-1] == "workers.killed"
