"""``.proto`` files: loaded at run time, generated from, and written."""
