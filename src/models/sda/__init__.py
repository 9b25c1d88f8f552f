"""Speech-driven animation: a still picture and speech become a talking face.

After Vougioukas, Petridis and Pantic, "Realistic Speech-Driven Facial Animation with GANs",
IJCV 2020, made to stream: the audio encoder is causal with a fixed lookahead, and the portrait's
part of the decoder is computed once.
"""

from understudy.models.sda.discriminators import (
    FrameDiscriminator,
    SequenceDiscriminator,
    SyncDiscriminator,
)
from understudy.models.sda.generator import Generator
from understudy.models.sda.stream import FrameStream

__all__ = [
    "FrameDiscriminator",
    "FrameStream",
    "Generator",
    "SequenceDiscriminator",
    "SyncDiscriminator",
]
