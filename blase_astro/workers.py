"""Processes that do a part of the work and never outlive it.

A worker is a fresh interpreter with a pipe to and from it. It runs nothing of the caller's script,
so that a script needs no guard and code from standard input works; it ends when its pipe does,
however the process at the other end has ended; nothing else is open in it that anybody could wait
for.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._types import Any, Iterator, Sequence

__all__ = ["Workers"]

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from blase_astro.workers import _serve; _serve(sys.argv[2])"
)


class Workers:
    """Some workers that answer the same kind of question; false if they cannot be started.

    Parameters
    ----------
    answers : str
        ``module:function`` that a worker calls once with ``order`` for the function that answers a
        question by what is JSON and a list of arrays.
    order : object
        What all workers are told at their start, as JSON.
    n : int
        How many.
    """

    def __init__(self, answers, order, n):
        self._answers, self._order = answers, order
        self._workers = [self._start() for _ in range(n)]

    def __enter__(self):
        if not all(worker and _is_ready(worker) for worker in self._workers):
            self._end()
            return None
        return self

    def __exit__(self, *_):
        self._end()

    def map(self, questions: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Answers in the order of the questions.

        Each worker has one question at a time, and its next one before its answer is used. If it
        dies of a question another one is asked; if that dies too the answer is None.

        Parameters
        ----------
        questions : sequence
            What is to be answered, as JSON.

        Yields
        ------
        question : object
            The question.
        answer : tuple or None
            What the function returned.

        Raises
        ------
        ValueError, OSError
            If the function did.
        """
        n = len(self._workers)
        for i in range(min(n, len(questions))):
            self._ask(i, questions[i])
        for i, question in enumerate(questions):
            answer = self._answer(i % n)
            if answer is None:
                self._replace(i % n)
                self._ask(i % n, question)
                answer = self._answer(i % n)
                if answer is None:
                    self._replace(i % n)
            if i + n < len(questions):
                self._ask(i % n, questions[i + n])
            yield question, answer

    def _start(self):
        """A new worker, None where this interpreter cannot be started again."""
        import subprocess

        environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | os.environ
        command = [sys.executable, "-c", _START, json.dumps(sys.path), self._answers]
        try:
            worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                process_group=0 if os.name == "posix" else None,  # Ctrl-C is for the parent
            )
        except (OSError, ValueError):
            return None
        _send(worker.stdin, self._order)
        return worker

    def _replace(self, i):
        """A new worker in the place of a dead one."""
        _kill(self._workers[i])
        self._workers[i] = self._start()
        if self._workers[i]:
            _is_ready(self._workers[i])

    def _ask(self, i, question):
        if self._workers[i]:
            _send(self._workers[i].stdin, question)

    def _answer(self, i):
        """What a worker answers, None if it is dead."""
        try:
            head = json.loads(self._workers[i].stdout.readline())
            arrays = []
            for kind, shape in head["arrays"]:
                size = int(np.prod(shape)) * np.dtype(kind).itemsize
                data = bytearray(self._workers[i].stdout.read(size))
                arrays.append(np.frombuffer(data, kind).reshape(shape))
        except (ValueError, OSError, AttributeError):
            return None
        if "error" in head:
            raise (OSError if head["kind"] == "OSError" else ValueError)(head["error"])
        return head["answer"], arrays

    def _end(self):
        for worker in self._workers:
            _kill(worker)


def _send(stream, message):
    """One line of JSON; a dead worker shows when it is to answer."""
    with suppress(OSError):
        stream.write(json.dumps(message).encode() + b"\n")
        stream.flush()


def _is_ready(worker):
    return worker.stdout.readline() == b"ready\n"


def _kill(worker):
    """End a worker and wait for its end."""
    if worker is None:
        return
    worker.kill()
    for stream in (worker.stdin, worker.stdout):
        with suppress(OSError):  # a question that it did not take
            stream.close()
    worker.wait()


def _serve(answers):
    """In a worker: answer until the pipe ends."""
    questions, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed belongs to nobody
    out.write(b"ready\n")
    out.flush()
    module, function = answers.split(":")
    answer = None
    for line in questions:
        arrays = []
        try:
            if answer is None:
                __import__(module)
                answer = getattr(sys.modules[module], function)(json.loads(line))
                continue
            answered, arrays = answer(json.loads(line))
            head = {"answer": answered}
        except (ValueError, OSError) as error:
            head = {"error": str(error), "kind": "OSError" if isinstance(error, OSError) else ""}
            answer = answer or (lambda _, error=error: _raise(error))
        head["arrays"] = [(array.dtype.str, array.shape) for array in arrays]
        try:
            out.write(json.dumps(head).encode() + b"\n")
            for array in arrays:
                out.write(np.ascontiguousarray(array).tobytes())
            out.flush()
        except OSError:  # nobody listens any more
            os._exit(1)


def _raise(error):
    raise error
