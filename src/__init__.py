"""Understudy: recordings of one consenting person become a digital twin."""
