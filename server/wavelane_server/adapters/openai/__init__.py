"""OpenAI's protocols: transcription over the Realtime API, and of files over HTTP."""
