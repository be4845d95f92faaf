"""A service that speaks lines of text: the smallest whole example, and the demo."""
