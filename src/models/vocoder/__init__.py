"""From mel spectrograms to sound."""

from understudy.models.vocoder.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator
from understudy.models.vocoder.generator import Vocoder
from understudy.models.vocoder.stream import VocoderStream, whole

__all__ = ["MultiPeriodDiscriminator", "MultiResolutionDiscriminator", "Vocoder", "VocoderStream", "whole"]
