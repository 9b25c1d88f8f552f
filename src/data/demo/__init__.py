"""The demo subject, who is nobody: a puppet with a synthetic voice, to try everything with."""

from understudy.data.demo.recordings import render_demo

__all__ = ["render_demo"]
