"""The thin last stage: the exported twin at work."""
