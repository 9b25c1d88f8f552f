"""What a person wrote: exports of chat apps, and other texts."""
