"""The laboratory's subcommands: their options, what they print, and the one call that each makes."""
