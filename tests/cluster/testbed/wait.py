# SPDX-License-Identifier: Apache-2.0
"""Waiting with a bound, the only kind of waiting there is in the bed and its tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float, what: str, pause_s: float = 0.1) -> T:
    """Asks until the answer is true; returns it. TimeoutError names `what` and the last answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}; last seen: {answer!r}")
        time.sleep(pause_s)
