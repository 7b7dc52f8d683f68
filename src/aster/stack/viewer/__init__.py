"""The page that shows OpenAPI documents: markup, style and script."""
