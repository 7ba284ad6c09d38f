"""A warm worker: has imported what its forks need, and forks a Python program a launch.

Started by `processes::Worker` with a socket as standard input, and told there what to import, then what to launch, one
message after the other: its length in four bytes, then JSON. It answers in the same form. It ends when nobody is left
to ask, and never forks while it has a second thread: a fork of one would have locks that nobody opens.

A launch makes two processes. The first one leads a session of its own and becomes the shim; its child is the program,
which waits until the shim has sent it its standard output and standard error. So the shim is the parent of the program,
as it is of one that it starts itself, and all else that it does is the same.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import sys
from typing import Any

Message = dict[str, Any]

NOT_LAUNCHED = 1


def receive(asker: socket.socket) -> Message | None:
    """The next message; None where no more will come."""
    header = read(asker, 4)
    body = read(asker, struct.unpack(">I", header)[0]) if header is not None else None
    return json.loads(body) if body is not None else None


def read(asker: socket.socket, length: int) -> bytes | None:
    """So many bytes, None where the other end is gone."""
    parts: list[bytes] = []
    while length > 0:
        part = asker.recv(min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def answer(asker: socket.socket, message: Message) -> None:
    """Sends a message."""
    body = json.dumps(message).encode()
    asker.sendall(struct.pack(">I", len(body)) + body)


def threads() -> list[str]:
    """Names of the threads of this process."""
    names: list[str] = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/comm", encoding="utf-8", errors="replace") as comm:
            names.append(comm.read().strip())
    return names


def started(pid: int) -> int:
    """Start time of a process in clock ticks since boot (proc(5), field 22 of its stat)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[19])


def preload(modules: list[str]) -> dict[str, str]:
    """Imports modules; returns those that could not be, with the reason."""
    failed: dict[str, str] = {}
    for module in modules:
        try:
            importlib.import_module(module)
        # A module may raise anything, SystemExit too.
        except BaseException as error:
            failed[module] = f"{type(error).__name__}: {error}"
    # What is there now stays: collecting it in every fork would only copy its pages.
    gc.collect()
    gc.freeze()
    return failed


def serve(asker: socket.socket) -> Message | None:
    """Forks as it is asked to; returns in a fork, with its launch, and in the worker when nobody asks any more."""
    # The kernel reaps: nobody here waits for a shim.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while (request := receive(asker)) is not None:
        running = threads()
        if len(running) != 1:
            answer(asker, {"refused": f"its worker has other threads: {', '.join(sorted(running))}"})
            continue
        try:
            shim = os.fork()
        except OSError as error:
            answer(asker, {"refused": f"its worker cannot fork: {error}"})
            continue
        if shim == 0:
            asker.close()
            return divide(request)
        try:
            answer(asker, {"pid": shim, "start_ticks": started(shim)})
        except FileNotFoundError:
            # Gone before anything ran.
            answer(asker, {"refused": "the fork of its worker ended at once"})
    return None


def divide(request: Message) -> Message:
    """The shim and its program, from one fork; returns in the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    shim_end, program_end = socket.socketpair()
    program = os.fork()
    if program == 0:
        shim_end.close()
        await_shim(request["launch"], program_end)
        return request["launch"]
    program_end.close()
    try:
        os.dup2(shim_end.fileno(), 0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.chdir("/")
        os.execve(request["shim"]["program"], request["shim"]["words"], request["shim"]["env"])
    finally:
        # The program reads the end of the socket, and ends.
        os._exit(NOT_LAUNCHED)


def await_shim(launch: Message, shim: socket.socket) -> None:
    """Tells the shim what to supervise, and takes over the standard streams that it sends."""
    try:
        shim.sendall(json.dumps({"launch": launch, "forked": os.getpid()}).encode())
        shim.shutdown(socket.SHUT_WR)
        _, streams, _, _ = socket.recv_fds(shim, 1, 2)
    except OSError:
        streams = []
    if len(streams) != 2:
        os._exit(NOT_LAUNCHED)
    null = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate([null, *streams]):
        os.dup2(stream, number)
        os.close(stream)
    shim.close()


def show(words: list[str]) -> None:
    """Has `ps` and /proc show these words as the command line: they are written over the ones that are there.

    The worker is started with an argument of blanks, which makes room for those of its forks.
    """
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    # arg_start and arg_end, fields 48 and 49 of proc(5).
    start, room = int(fields[45]), int(fields[46]) - int(fields[45])
    line = b"".join(os.fsencode(word) + b"\0" for word in words)[: room - 1]
    ctypes.memset(start, 0, room)
    ctypes.memmove(start, line, len(line))


def become(launch: Message) -> None:
    """Makes this process what a fresh interpreter would be for that launch."""
    show([launch["program"], *launch["args"]])
    os.chdir(launch["cwd"])
    os.environ.clear()
    os.environ.update(launch["env"])
    # As `python -m` has it; the first entry was the folder of this file.
    sys.path.insert(0, launch["cwd"])
    importlib.invalidate_caches()
    imported: dict[str, Any] = sys.modules
    if "tempfile" in imported:
        imported["tempfile"].tempdir = None
    # The interpreter's own generator is seeded anew in a fork, this one is not.
    if "numpy.random" in imported:
        imported["numpy.random"].seed()
    sys.excepthook = told_from_the_program


def told_from_the_program(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """A traceback without the frame of this file."""
    inner = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    sys.__excepthook__(kind, error.with_traceback(inner), inner)


def main() -> Message | None:
    """The worker's life; returns a launch in a fork."""
    asker = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    # Its folder is no place to import from.
    sys.path.pop(0)
    show([sys.executable, sys.argv[0]])
    spec = receive(asker)
    if spec is None:
        return None
    failed = preload(spec["modules"])
    answer(asker, {"failed": failed, "threads": threads()})
    return serve(asker)


if __name__ == "__main__" and (launched := main()) is not None:
    become(launched)
    # `python -m MODULE` would warn of a module that something has imported before.
    sys.modules.pop(launched["args"][1], None)
    sys.argv[1:] = launched["args"][2:]
    runpy.run_module(launched["args"][1], run_name="__main__", alter_sys=True)
