"""A stage as a process: what it writes is its own, it ends with what started it, and it ends in words."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from trialforge.core.errors import (
    DEBUG_VARIABLE,
    EXIT_FAULT,
    ArtifactError,
    TrialforgeError,
    describe_error,
    explain_disk,
    format_traceback,
    name_missing_extra,
)
from trialforge.core.files import hash_text

LOCKS = Path(".trialforge/locks")
CLAIM_SECONDS = 30.0  # to wait for another process that makes the same out
_END_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_claimed: list[IO[str]] = []  # open as long as the process lives: closing one would give its lock up


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; what a user can mend ends it with one line and a hint, no traceback, exit code 1.

    Ctrl-C, SIGTERM and the end of the process that started it, such as `dvc repro`, end it with code 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_starter, args=(_find_starters(),), daemon=True).start()
    try:
        with name_missing_extra():
            main()
    except KeyboardInterrupt:
        with suppress(OSError):  # nobody may be there to read it
            sys.stderr.write("interrupted: all finished answers are kept\n")
            sys.stderr.write(f"  next: dvc repro {Path(sys.argv[0]).stem.replace('_', '-')}\n")
        sys.exit(130)
    except (TrialforgeError, OSError) as error:
        if os.environ.get(DEBUG_VARIABLE):
            sys.stderr.write(format_traceback())
        told = explain_disk(error) if isinstance(error, OSError) else error
        sys.exit(describe_error(told.args[0], told.hint))
    except Exception:
        # A fault of trialforge itself; its traceback holds no secret either.
        sys.stderr.write(format_traceback())
        sys.exit(EXIT_FAULT)


def claim_out(text: str) -> Path:
    """Return the path of an out, which is this process's until it ends; as a `type` of argparse.

    What a killed process left half-written beside it is removed.

    Raises:
        ArtifactError: another process goes on making it.
    """
    path = Path(text)
    place = path.parent.resolve() / path.name
    try:
        LOCKS.mkdir(parents=True, exist_ok=True)
        lock = (LOCKS / f"{path.name}-{hash_text(str(place))[:16]}").open("a+", encoding="utf-8")
    except OSError:  # without a place for locks nothing is guarded, but everything can be made
        return path
    give_up = time.monotonic() + CLAIM_SECONDS
    told = False
    while not _try_lock(lock):
        lock.seek(0)
        owner = f"process {lock.read()}"
        if time.monotonic() > give_up:
            raise ArtifactError(
                f"{owner} is already making {path}", hint="wait for it or stop it, then run this again"
            )
        if not told:
            sys.stderr.write(f"waiting for {owner}, which is making {path}\n")
            told = True
        time.sleep(_LOOK_SECONDS)
    with suppress(OSError):  # on a full disk the lock holds, without its owner's number
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    _claimed.append(lock)
    _sweep(path)
    return path


def _try_lock(lock: IO[str]) -> bool:
    # A lock of POSIX: the same process may take it again, and no child inherits it.
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _sweep(path: Path) -> None:
    """Remove the temporary files and folders of `path`, as `tempfile` names them."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}(\.part)?")
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        if left.fullmatch(found.name):
            shutil.rmtree(found) if found.is_dir() else found.unlink()


def _find_starters() -> tuple[int, ...]:
    """Return the parent and, where that is the shell by which DVC started a stage, its parent: DVC."""
    parent = os.getppid()
    shell = Path(os.environ.get("SHELL") or "/bin/sh").name
    try:
        stat = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # only Linux tells
        return (parent,)
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return (parent, int(rest.split()[1])) if "DVC_STAGE" in os.environ and name == shell else (parent,)


def _end_with_starter(starters: tuple[int, ...]) -> None:
    """Wait until a process of these is another, as it is when one of them died, and end this one."""
    while _find_starters() == starters:
        time.sleep(_LOOK_SECONDS)
    with suppress(OSError):
        sys.stderr.write("the process that started this stage has ended\n")
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_END_SECONDS)
    os._exit(130)
