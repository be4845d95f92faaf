"""OpenAPI 3.1 from routes and signatures."""
