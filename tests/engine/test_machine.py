import os
import sys
import threading

import pytest
from engineharness import Recorder, running
from toymodel import make_chunk, toy_model

from wavelane.machine import step_aside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")


def niceness(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


def test_only_the_thread_itself_steps_aside():
    seen = []

    def work() -> None:
        step_aside()
        seen.append(niceness(threading.get_native_id()))

    before = niceness(threading.get_native_id())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(before + 10, 19)]
    assert niceness(threading.get_native_id()) == before


def test_workers_of_an_engine_compute_behind_who_answers_clients():
    recorder = Recorder()
    with running(toy_model(), recorder, workers=1) as engine:
        engine.submit(engine.open(), make_chunk(0))
        recorder.wait_for(1)
        mine = niceness(threading.get_native_id())
        threads = {thread.name: niceness(thread.native_id or 0) for thread in threading.enumerate()}
    assert threads["wavelane-results"] == mine
    assert threads["wavelane-model-0"] == min(mine + 10, 19)
