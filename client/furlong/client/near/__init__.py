"""The near cache: results of async functions, kept in this process and coherent with the cache service."""

from furlong.client.near.cache import Cached, NearCache
from furlong.client.near.codec import BYTES, JSON, Codec, of_message
from furlong.client.near.flight import LoadCancelled
from furlong.client.near.policy import Coherence, NearPolicy
from furlong.client.near.tally import NearCounts

__all__ = [
    "BYTES",
    "JSON",
    "Cached",
    "Codec",
    "Coherence",
    "LoadCancelled",
    "NearCache",
    "NearCounts",
    "NearPolicy",
    "of_message",
]
