"""The page ``/docs``: a description of the routes for people, with a form to try each of them."""
