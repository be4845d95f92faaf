"""The shape of a call and the lifetimes of work. Standard library only; start with `call`."""
