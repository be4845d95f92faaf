"""Data access: tables, and repositories that ask them. Nobody else writes SQL."""
