"""What Whisper needs beyond its own class: to hear less at once."""

from typing import Any

from torch import nn

POSITIONS_PER_SECOND = 50  # of the encoder


def hear_at_once(network: Any, feature_extractor: Any, seconds: int) -> None:
    """Make a Whisper that hears `seconds` of sound instead of 30, at a cost in proportion.

    What it knows of later moments is cut off; saved and loaded it stays an ordinary Whisper.
    """
    positions = POSITIONS_PER_SECOND * seconds
    encoder = network.get_encoder()
    table: nn.Embedding = encoder.embed_positions
    assert positions <= table.num_embeddings
    shorter = nn.Embedding(positions, table.embedding_dim)
    shorter.weight = nn.Parameter(table.weight.detach()[:positions].clone(), requires_grad=False)
    encoder.embed_positions = shorter.to(table.weight)
    encoder.max_source_positions = network.config.max_source_positions = positions
    feature_extractor.chunk_length = seconds
    feature_extractor.n_samples = seconds * feature_extractor.sampling_rate
    feature_extractor.nb_max_frames = feature_extractor.n_samples // feature_extractor.hop_length
