"""Run folders: what a training writes and everything else reads."""
