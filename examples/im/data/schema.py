"""Making the tables, in whichever database; what is there already is left as it is."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, text

from examples.im.data.tables import Counter, Table

EVENTS = "events"
"""The counter of places."""

INDEXED = "indexed"
"""The counter of the place up to which messages can be found by their words."""

_OURS = 0x696D
"""The number of the lock on PostgreSQL that who makes tables holds; any that is ours alone."""

_WORDS = {
    # Contentless: the text is in `message` already.
    "sqlite": """
        CREATE VIRTUAL TABLE IF NOT EXISTS message_words USING fts5(
            words, content='', tokenize="unicode61 remove_diacritics 0 tokenchars ':'"
        )
    """,
    # Entries go into the index at once: a list of pending ones is read by every search.
    "postgresql": """
        CREATE TABLE IF NOT EXISTS message_words(
            seq bigint PRIMARY KEY REFERENCES message, words tsvector NOT NULL
        );
        CREATE INDEX IF NOT EXISTS message_by_words ON message_words USING gin (words)
            WITH (fastupdate = off)
    """,
}
"""The index of words, which SQLAlchemy has no words for."""


def create(db: Connection) -> None:
    """Make what is missing."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(:ours)"), {"ours": _OURS})
    Table.metadata.create_all(db)
    for statement in _WORDS[db.dialect.name].split(";"):
        db.exec_driver_sql(statement)
    there = set(db.scalars(select(Counter.name)))
    for name in {EVENTS, INDEXED} - there:
        db.execute(insert(Counter), {"name": name, "value": 0})
