"""Pieces by id, from the tokenizer files that checkpoints carry."""

from pathlib import Path

import sentencepiece

from wavelane.errors import ErrorCode, WavelaneError


def sentencepiece_pieces(model: bytes, source: str) -> tuple[str, ...]:
    """Pieces of a sentencepiece model, of type bpe or unigram.

    Args:
        model: the serialised model.
        source: for the error.

    Raises:
        WavelaneError: it is corrupt.
    """
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except (RuntimeError, OSError) as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"The tokenizer {source} is not a sentencepiece model: {error}."
        ) from error
    return tuple(processor.id_to_piece(list(range(processor.get_piece_size()))))


def tokenizers_pieces(path: Path, size: int) -> tuple[str, ...]:
    """The first ``size`` pieces of a ``tokenizer.json``; ids without a piece are empty.

    Raises:
        WavelaneError: it is corrupt, or has fewer pieces.
    """
    # Imported here: most checkpoints do not need it and it is slow to load.
    from tokenizers import Tokenizer

    try:
        vocabulary: dict[str, int] = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the binding raises bare Exception for whatever is wrong with the file
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"{path} is not a tokenizer: {error}.") from error
    pieces = [""] * size
    for piece, index in vocabulary.items():
        if index < size:
            pieces[index] = piece
    if max(vocabulary.values(), default=-1) < size - 1:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{path} has {len(vocabulary)} pieces, but the model's head has {size}; it belongs to another model.",
        )
    return tuple(pieces)
