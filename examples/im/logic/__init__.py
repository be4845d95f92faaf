"""Logic: what the chat does, whoever asks. See ``api.Logic``."""
