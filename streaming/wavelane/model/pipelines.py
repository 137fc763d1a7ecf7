"""Names of the pretrained pipelines that come with libraries; free of torch."""

PREFIX = "torchaudio:"
"""What every name of a pipeline of torchaudio begins with."""

PIPELINES = {
    f"{PREFIX}emformer_rnnt_base_librispeech": "EMFORMER_RNNT_BASE_LIBRISPEECH",
}
"""What a user writes in place of a path, to the name in ``torchaudio.pipelines``."""
