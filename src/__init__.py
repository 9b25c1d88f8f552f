"""Understudy: recordings of one consenting person become a digital twin."""

import os

# read when the libraries of Hugging Face are first imported, by whoever that is
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
