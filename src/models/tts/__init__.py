"""Text to speech: from phones to mel spectrograms."""

from understudy.models.tts.fastspeech import FastSpeech
from understudy.models.tts.mel import LogMel
from understudy.models.tts.speech import Speech

__all__ = ["FastSpeech", "LogMel", "Speech"]
