"""The plug points: one Protocol and its value types a file. Nothing here has behaviour."""
