"""Sound as bytes: WAV files, bare samples, and what a media type or the first bytes say of either. Knows no dialect."""
