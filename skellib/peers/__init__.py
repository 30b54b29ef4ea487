"""Networks of other papers, to be compared with: one module a paper.

They are written from their papers, take any skeleton layout, and are trained and
recorded as our own. Each takes clips (B, d, T, N, M) and returns its logits
(B, classes) under ``"fused"``. Names in :data:`skellib.variants.NETWORKS` choose them.
"""

from skellib.peers.agcn import AGCN
from skellib.peers.ctr_gcn import CTRGCN
from skellib.peers.graph import spatial_partition
from skellib.peers.hcn import HCN
from skellib.peers.st_gcn import STGCN

__all__ = ["AGCN", "CTRGCN", "HCN", "STGCN", "spatial_partition"]
