"""Models of the real classes that are too small to be right, saved as their trainers save them."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCTC,
    GenerationConfig,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

LANGUAGES = ("en", "de", "ja")
CHARACTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'")


def tiny_whisper(folder: Path, *, seed: int = 0) -> Path:
    """A Whisper of three languages that writes random bytes."""
    torch.manual_seed(seed)
    letters = [chr(c) for c in (*range(33, 127), *range(161, 173), *range(174, 256))]
    letters += [chr(256 + k) for k in range(256 - len(letters))]  # the bytes that cannot be seen
    tokenizer = WhisperTokenizer(
        vocab={letter: k for k, letter in enumerate(letters)} | {"<|endoftext|>": 256}, merges=[]
    )
    marks = ["<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES), "<|translate|>"]
    marks += ["<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    number = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=16,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_target_positions=64,
            decoder_start_token_id=number["<|startoftranscript|>"],
            pad_token_id=256,
            bos_token_id=256,
            eos_token_id=256,
            init_std=0.5,
        )
    )
    model.generation_config = GenerationConfig(
        decoder_start_token_id=number["<|startoftranscript|>"],
        no_timestamps_token_id=number["<|notimestamps|>"],
        pad_token_id=256,
        bos_token_id=256,
        eos_token_id=256,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number[f"<|{code}|>"] for code in LANGUAGES},
        task_to_id={"transcribe": number["<|transcribe|>"], "translate": number["<|translate|>"]},
        return_timestamps=False,
        suppress_tokens=[*number.values()],
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def tiny_ctc(folder: Path, *, kind: str = "wav2vec2", seed: int = 0) -> Path:
    """A wav2vec2, hubert or wav2vec2-bert with the characters of English that hears nothing in particular."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text("{" + ", ".join(f'"{c}": {k}' for k, c in enumerate(CHARACTERS)) + "}")
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(CHARACTERS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    AutoModelForCTC.from_config(config).save_pretrained(folder)
    tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary))
    mel = kind == "wav2vec2-bert"
    features = SeamlessM4TFeatureExtractor() if mel else Wav2Vec2FeatureExtractor(do_normalize=True)
    Wav2Vec2Processor(features, tokenizer).save_pretrained(folder)
    return folder
