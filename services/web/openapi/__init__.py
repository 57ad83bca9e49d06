"""The API's description: OpenAPI 3.1 made of the declarations at the routes, and its page."""
