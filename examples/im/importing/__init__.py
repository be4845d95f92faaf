"""Text that people have written elsewhere, brought into the chat.

Each kind of source is a module with one function, which reads files and gives `Entry` after
`Entry`, in the order in which a room is to have them, and a `Problem` for what it cannot read.
``loading`` stores them, ``__main__`` is the command.
"""
