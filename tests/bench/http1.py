# SPDX-License-Identifier: Apache-2.0
"""What a request in HTTP/1.1, on connections that are kept, costs through nodeway, beside its peers and beside no proxy
at all.
"""

from __future__ import annotations

from backends import start_http1_backend
from bed import Bed
from h2load import Call, Shape
from proxy import BACKENDS, Load, by_shape, measure_all, render
from subjects import SUBJECTS

LOADS = by_shape(*(Load(Shape(clients, 1), Call(is_http1=True)) for clients in (1, 10, 100)))


def report(bed: Bed, runs: int, seconds: float) -> str:
    backends = [start_http1_backend(bed) for _ in range(BACKENDS)]
    return render(measure_all(bed, "http1", SUBJECTS, backends, LOADS, runs, seconds), runs)
