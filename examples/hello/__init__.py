"""A guestbook that speaks HTTP: one of everything."""
