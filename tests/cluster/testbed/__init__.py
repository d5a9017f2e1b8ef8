# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes API with network namespaces as nodes and pods; see tests/cluster/README.md."""
