"""The suites that every implementation of a plug point has to pass, one module a plug point.

Derive from the suite, say how to make your implementation, and let pytest collect the class; see
`mainstay.testing.plugin` for what runs the coroutine tests.
"""
